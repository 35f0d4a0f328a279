import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { createRegistry, MetricsServer } from '../src/index.ts';

test('metrics server serves /metrics and refuses the rest', async () => {
  const registry = createRegistry();
  registry.counter({ name: 'hits_total', help: 'h' }).inc();
  await using server = await MetricsServer.open({ registry });
  const url = `http://127.0.0.1:${server.port}`;
  const response = await fetch(`${url}/metrics`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), registry.contentType);
  assert.match(await response.text(), /^hits_total 1$/m);
  assert.equal((await fetch(`${url}/`)).status, 404);
  assert.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 405);
});

test('metrics server answers 500 when a metric cannot be collected', async () => {
  const registry = createRegistry();
  registry.gauge({ name: 'g', help: 'h', collect: () => Promise.reject(new Error('broken')) });
  await using server = await MetricsServer.open({ registry });
  assert.equal((await fetch(`http://127.0.0.1:${server.port}/metrics`)).status, 500);
});

test('metrics server asks for its token', async () => {
  await using server = await MetricsServer.open({ registry: createRegistry(), token: 'abc' });
  const url = `http://127.0.0.1:${server.port}/metrics`;
  const status = async (authorization: string): Promise<number> =>
    (await fetch(url, { headers: { authorization } })).status;
  assert.equal((await fetch(url)).status, 401);
  assert.equal(await status('Bearer abd'), 401);
  assert.equal(await status('Bearer abc'), 200);
});

test('metrics server refuses other hosts without a token', async () => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1']) {
    await assert.rejects(MetricsServer.open({ registry: createRegistry(), host }), {
      code: 'BASE_METRICS_UNPROTECTED',
    });
  }
});

test('metrics server reports a port that is taken', async () => {
  const registry = createRegistry();
  await using server = await MetricsServer.open({ registry });
  await assert.rejects(MetricsServer.open({ registry, port: server.port }), {
    code: 'BASE_LISTEN_FAILED',
  });
});

test('metrics server closes while a client holds its connection', async () => {
  const server = await MetricsServer.open({ registry: createRegistry() });
  const socket = connect(server.port, '127.0.0.1');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await new Promise((resolve) => socket.once('connect', resolve));
  await server.close();
  await server.close();
  await closed;
});
