import { createRequire } from 'node:module';
import type * as PromClient from 'prom-client';
import type { Counter, Gauge, Metric, Registry } from 'prom-client';
import { defaultBoundsUs } from './histogram.ts';
import type { LatencyHistogram } from './histogram.ts';

export interface MetricsRegistryOptions {
  /** Adds the metrics of the process itself: CPU, memory, event loop. Default false. */
  readonly withProcessMetrics?: boolean;
}

export interface MetricOptions<L extends string> {
  /** With its unit: `zdb_segments_bytes`; a counter ends in `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

export interface GaugeOptions<L extends string> extends MetricOptions<L> {
  /** Sets the values when somebody asks for them, instead of at each change. */
  readonly collect?: (gauge: Gauge<L>) => Promise<void> | void;
}

export interface CounterOptions<L extends string> extends MetricOptions<L> {
  /** Adds the whole count when somebody asks, to a counter that was set to 0. */
  readonly collect?: (counter: Counter<L>) => void;
}

export interface LatencySeries {
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly histogram: LatencyHistogram;
}

export interface LatencyOptions {
  /** Ends in `_seconds`: microseconds are converted. */
  readonly name: string;
  readonly help: string;
  /** Ascending. Default: powers of two from 64 us to 67 s. */
  readonly boundsUs?: readonly number[];
  /** Asked at each scrape. */
  readonly series: () => Iterable<LatencySeries>;
}

/** The metrics of one process. */
export interface MetricsRegistry {
  counter<L extends string>(options: CounterOptions<L>): Counter<L>;
  gauge<L extends string>(options: GaugeOptions<L>): Gauge<L>;
  /** Publishes histograms that the code records into by itself. */
  latency(options: LatencyOptions): void;
  /** All metrics in Prometheus' text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

/**
 * An empty registry over prom-client, which the first call loads: that takes tens of ms, and a
 * process that publishes no metrics saves them.
 */
export function createRegistry(options: MetricsRegistryOptions = {}): MetricsRegistry {
  const prom: typeof PromClient = createRequire(import.meta.url)('prom-client');
  const registry = new prom.Registry();
  if (options.withProcessMetrics === true) prom.collectDefaultMetrics({ register: registry });
  return {
    counter: (counter) => createCounter(prom, registry, counter),
    gauge: (gauge) => createGauge(prom, registry, gauge),
    latency: (latency) => registerLatency(registry, latency),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function createCounter<L extends string>(
  prom: typeof PromClient,
  registry: Registry,
  options: CounterOptions<L>,
): Counter<L> {
  const { name, help, labels = [], collect } = options;
  const read = (): void => {
    counter.reset();
    collect?.(counter);
  };
  const counter: Counter<L> = new prom.Counter<L>({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    ...(collect === undefined ? {} : { collect: read }),
  });
  return counter;
}

function createGauge<L extends string>(
  prom: typeof PromClient,
  registry: Registry,
  options: GaugeOptions<L>,
): Gauge<L> {
  const { name, help, labels = [], collect } = options;
  const gauge: Gauge<L> = new prom.Gauge<L>({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    ...(collect === undefined ? {} : { collect: () => collect(gauge) }),
  });
  return gauge;
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

function registerLatency(registry: Registry, options: LatencyOptions): void {
  const { name, help, series } = options;
  const metric = {
    name,
    help,
    type: 'histogram',
    get: async () => ({
      name,
      help,
      type: 'histogram',
      values: [...series()].flatMap((one) => samplesOf(one, options)),
    }),
  };
  // prom-client's type lists its own classes; what a registry calls on them is `get` alone.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  registry.registerMetric(metric as unknown as Metric);
}

function samplesOf(series: LatencySeries, options: LatencyOptions): Sample[] {
  const { name, boundsUs = defaultBoundsUs } = options;
  const { histogram, labels = {} } = series;
  const buckets = histogram.cumulative(boundsUs).map(({ boundUs, count }) => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le: boundUs / 1e6 },
    value: count,
  }));
  const { count, sumUs } = histogram;
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sumUs / 1e6 },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
