import assert from 'node:assert/strict';
import { test } from 'node:test';

import { contractStatus } from '@commongrid/contract';
import type { Container } from '@commongrid/model';
import { fakeId, Scene } from '@commongrid/model/testing';

import { publishedPorts } from './published-ports.ts';

const container: Container = {
  ...{ flist: fakeId.digest(7), rootBytes: 1, isReadOnly: true, exec: 'any', pids: 8 },
  ...{ env: [], volumes: [], files: [], logs: [] },
  secretEnv: [{ name: 'ADMIN', secret: 'admin' }],
  stop: { signal: 'SIGTERM', graceSeconds: 1 },
  ports: [
    { name: 'http', port: 80, protocol: 'tcp', publish: 8080 },
    { name: 'inner', port: 81, protocol: 'tcp' },
  ],
};

test('what a contract publishes is reached at the nodes that it is on now', () => {
  const scene = new Scene({ role: { workload: { kind: 'container', container } } }).begin();
  const [first, second, third] = scene.nodes;
  const nodes = new Map([
    [first, { addresses: ['ip://192.0.2.1'] }],
    [third, { addresses: ['ip://[2001:db8::3]'] }],
  ]);
  const look = (): unknown => {
    const now = { seq: Number.MAX_SAFE_INTEGER, at: scene.grid.at };
    const status = contractStatus(scene.grid.fold, scene.plan.id, now);
    assert.ok(status !== undefined);
    return publishedPorts(scene.grid.fold, status, nodes).map((one) => {
      return [one.role, one.replica, one.port, one.address, one.isReady];
    });
  };
  assert.deepEqual(look(), []);
  const codes = scene.run(1, [first, second]);
  assert.equal(codes, undefined);
  assert.deepEqual(look(), [['shard', 0, 'http', '192.0.2.1:8080', false]]);
  assert.equal(scene.report(first, 0, 1, 'healthy'), undefined);
  assert.deepEqual(look(), [['shard', 0, 'http', '192.0.2.1:8080', true]]);
  assert.equal(scene.run(2, [third, second]), undefined);
  assert.deepEqual(look(), [['shard', 0, 'http', '[2001:db8::3]:8080', false]]);
});
