import type { MetricsRegistry } from '@commongrid/base';

/** What a hub counts. It is read when somebody asks for the metrics. */
export class HubMetrics {
  /** Requests that are answered now. */
  running = 0;
  receivedBytes = 0;
  sentBytes = 0;
  /** By route and status, both of which are few. */
  readonly #answers = new Map<
    string,
    { readonly route: string; readonly status: number; count: number }
  >();

  count(route: string, status: number): void {
    const key = `${status} ${route}`;
    const known = this.#answers.get(key);
    if (known === undefined) this.#answers.set(key, { route, status, count: 1 });
    else known.count++;
  }

  publish(registry: MetricsRegistry, heldBodyBytes: () => number): void {
    registry.counter({
      name: 'hub_requests_total',
      help: 'Requests by route and status',
      labels: ['route', 'status'],
      collect: (counter) => {
        for (const { route, status, count } of this.#answers.values()) {
          counter.inc({ route, status: String(status) }, count);
        }
      },
    });
    registry.counter({
      name: 'hub_received_bytes_total',
      help: 'Bytes of bodies that came',
      collect: (counter) => counter.inc(this.receivedBytes),
    });
    registry.counter({
      name: 'hub_sent_bytes_total',
      help: 'Bytes of answers, as far as they were written',
      collect: (counter) => counter.inc(this.sentBytes),
    });
    registry.gauge({
      name: 'hub_running_requests',
      help: 'Requests that are answered now',
      collect: (gauge) => gauge.set(this.running),
    });
    registry.gauge({
      name: 'hub_held_body_bytes',
      help: 'Bytes of bodies in memory',
      collect: (gauge) => gauge.set(heldBodyBytes()),
    });
  }
}
