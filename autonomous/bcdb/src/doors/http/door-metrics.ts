import { LatencyHistogram } from '@commongrid/base';
import type { Clock, MetricsRegistry } from '@commongrid/base';
import type { Database } from '../../database.ts';

/** Codes that are counted one by one; the rest count as `other`. */
const countedCodesMax = 200;

/** What a door counts; a registry shows it. */
export class DoorMetrics {
  readonly #clock: Clock;
  readonly #appendLatency = new LatencyHistogram();
  readonly #refusals = new Map<string, number>();
  #records = 0;
  watchers = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Measures one append, refused or not. */
  async append<T>(append: () => Promise<T>): Promise<T> {
    const startMs = this.#clock.monotonicMs();
    try {
      const receipt = await append();
      this.#records++;
      return receipt;
    } finally {
      this.#appendLatency.record(Math.round((this.#clock.monotonicMs() - startMs) * 1000));
    }
  }

  refused(code: string): void {
    const isRoom = this.#refusals.has(code) || this.#refusals.size < countedCodesMax;
    const name = isRoom ? code : 'other';
    this.#refusals.set(name, (this.#refusals.get(name) ?? 0) + 1);
  }

  register(registry: MetricsRegistry, bcdb: Database, connections: () => Promise<number>): void {
    registry.latency({
      name: 'bcdb_http_append_seconds',
      help: 'From the arrival of a record to its receipt or refusal',
      series: () => [{ histogram: this.#appendLatency }],
    });
    registry.counter({
      name: 'bcdb_http_records_total',
      help: 'Records appended over HTTP',
      collect: (counter) => counter.inc(this.#records),
    });
    registry.counter({
      name: 'bcdb_http_refusals_total',
      help: 'Requests and records refused over HTTP, by code',
      labels: ['code'],
      collect: (counter) => {
        for (const [code, count] of this.#refusals) counter.inc({ code }, count);
      },
    });
    registry.gauge({
      name: 'bcdb_log_size_records',
      help: 'Records in the log',
      collect: (gauge) => gauge.set(bcdb.head.size),
    });
    registry.gauge({
      name: 'bcdb_http_connections',
      help: 'Open HTTP connections',
      collect: async (gauge) => gauge.set(await connections()),
    });
    registry.gauge({
      name: 'bcdb_http_watchers',
      help: 'Open watches',
      collect: (gauge) => gauge.set(this.watchers),
    });
    registry.gauge({
      name: 'bcdb_http_waiting_readers',
      help: 'Readers that wait for news of their feeds',
      collect: (gauge) => gauge.set(bcdb.feedWaiters),
    });
  }
}
