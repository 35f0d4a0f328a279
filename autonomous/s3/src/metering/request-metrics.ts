import { LatencyHistogram } from '@commongrid/base';
import type { MetricsRegistry } from '@commongrid/base';

import type { Answered } from '../protocol/s3-exchange.ts';

/** Codes that are counted one by one; the rest count as `other`. */
const countedCodesMax = 200;

/** What was asked for one operation. */
interface OperationCounts {
  readonly latency: LatencyHistogram;
  readonly errors: Map<string, number>;
  receivedBytes: number;
  sentBytes: number;
}

/** Counts requests by operation; a registry shows it. */
export class RequestMetrics {
  readonly #operations = new Map<string, OperationCounts>();

  /** One request and its answer. */
  record({ operation, s3Code, failure, receivedBytes, sentBytes, tookMs }: Answered): void {
    const counts = this.#countsOf(operation ?? 'unknown');
    counts.latency.record(tookMs * 1000);
    counts.receivedBytes += receivedBytes;
    counts.sentBytes += sentBytes;
    // An answer that broke off has no code of S3.
    const code = s3Code ?? (failure === undefined ? undefined : 'cut');
    if (code === undefined) return;
    const isRoom = counts.errors.has(code) || counts.errors.size < countedCodesMax;
    const name = isRoom ? code : 'other';
    counts.errors.set(name, (counts.errors.get(name) ?? 0) + 1);
  }

  register(registry: MetricsRegistry): void {
    const operations = this.#operations;
    registry.latency({
      name: 's3_request_seconds',
      help: 'From the first line of a request to the end of its answer',
      series: () =>
        [...operations].map(([operation, { latency }]) => {
          return { labels: { operation }, histogram: latency };
        }),
    });
    registry.counter({
      name: 's3_requests_total',
      help: 'Requests, by operation',
      labels: ['operation'],
      collect: (counter) => {
        for (const [operation, { latency }] of operations)
          counter.inc({ operation }, latency.count);
      },
    });
    registry.counter({
      name: 's3_errors_total',
      help: 'Requests that were refused or broke off, by operation and code of S3',
      labels: ['operation', 'code'],
      collect: (counter) => {
        for (const [operation, { errors }] of operations) {
          for (const [code, count] of errors) counter.inc({ operation, code }, count);
        }
      },
    });
    registry.counter({
      name: 's3_received_bytes_total',
      help: 'Bytes of the bodies of requests',
      labels: ['operation'],
      collect: (counter) => {
        for (const [operation, { receivedBytes }] of operations) {
          counter.inc({ operation }, receivedBytes);
        }
      },
    });
    registry.counter({
      name: 's3_sent_bytes_total',
      help: 'Bytes of the bodies of answers',
      labels: ['operation'],
      collect: (counter) => {
        for (const [operation, { sentBytes }] of operations) counter.inc({ operation }, sentBytes);
      },
    });
  }

  #countsOf(operation: string): OperationCounts {
    let counts = this.#operations.get(operation);
    if (counts === undefined) {
      const latency = new LatencyHistogram();
      counts = { latency, errors: new Map(), receivedBytes: 0, sentBytes: 0 };
      this.#operations.set(operation, counts);
    }
    return counts;
  }
}
