import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatencyHistogram } from './histogram.ts';
import { createRegistry } from './metrics.ts';

test('registry renders counters and gauges with labels', async () => {
  const registry = createRegistry();
  const requests = registry.counter({ name: 'http_requests_total', help: 'h', labels: ['code'] });
  requests.inc({ code: '200' }, 3);
  registry.counter({ name: 'bytes_total', help: 'h', collect: (counter) => counter.inc(7) });
  let asked = 0;
  registry.gauge({ name: 'queue_values', help: 'h', collect: (gauge) => gauge.set(++asked) });
  await registry.render();
  const text = await registry.render();
  assert.match(text, /^# TYPE http_requests_total counter$/m);
  assert.match(text, /^http_requests_total\{code="200"\} 3$/m);
  assert.match(text, /^# TYPE bytes_total counter$/m);
  assert.match(text, /^bytes_total 7$/m);
  assert.match(text, /^queue_values 2$/m);
  assert.match(registry.contentType, /^text\/plain/);
});

test('registry renders a latency histogram as Prometheus buckets in seconds', async () => {
  const registry = createRegistry();
  const histogram = new LatencyHistogram();
  for (const us of [10, 63, 64, 1000, 2_000_000]) histogram.record(us);
  registry.latency({
    name: 'get_seconds',
    help: 'time of a get',
    boundsUs: [64, 1024, 2 ** 20],
    series: () => [{ labels: { namespace: 'a' }, histogram }],
  });
  assert.equal(
    await registry.render(),
    [
      '# HELP get_seconds time of a get',
      '# TYPE get_seconds histogram',
      'get_seconds_bucket{namespace="a",le="0.000064"} 2',
      'get_seconds_bucket{namespace="a",le="0.001024"} 4',
      'get_seconds_bucket{namespace="a",le="1.048576"} 4',
      'get_seconds_bucket{namespace="a",le="+Inf"} 5',
      'get_seconds_sum{namespace="a"} 2.001137',
      'get_seconds_count{namespace="a"} 5',
      '',
    ].join('\n'),
  );
});

test('registry has the metrics of the process only when asked', async () => {
  assert.equal((await createRegistry().render()).trim(), '');
  const text = await createRegistry({ withProcessMetrics: true }).render();
  assert.match(text, /^process_cpu_seconds_total /m);
});
