import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import type { Container } from '@commongrid/model';
import { fakeId, Scene } from '@commongrid/model/testing';

import { EndpointDesk } from './endpoint-desk.ts';
import type { Endpoint } from './endpoint.ts';
import { endpointsOf, placedContracts } from './endpoints-of.ts';

const plain: Container = {
  ...{ flist: fakeId.digest(7), rootBytes: 1, isReadOnly: true, exec: 'any', pids: 8 },
  ...{ env: [], volumes: [], files: [], logs: [] },
  secretEnv: [{ name: 'ADMIN', secret: 'admin' }],
  stop: { signal: 'SIGTERM', graceSeconds: 1 },
  ports: [
    { name: 'http', port: 80, protocol: 'tcp', publish: 8080 },
    { name: 'names', port: 53, protocol: 'udp', publish: 5353 },
    { name: 'inner', port: 81, protocol: 'tcp' },
  ],
};

function sceneOf(container: Container): Scene {
  return new Scene({ role: { workload: { kind: 'container', container } } }).begin();
}

function look(scene: Scene, owner = scene.ada.id): readonly Endpoint[] {
  const { fold, at } = scene.grid;
  const nodes = new Map(scene.nodes.map((id, no) => [id, { addresses: [`ip://192.0.2.${no}`] }]));
  return placedContracts(fold, owner, at).flatMap((one) => [...endpointsOf(fold, one, nodes)]);
}

test('what a contract publishes over TCP is an endpoint of its owner, where it runs now', () => {
  const scene = sceneOf(plain);
  const [first, second, third] = scene.nodes;
  assert.deepEqual(look(scene), []);
  assert.equal(scene.run(1, [first, second]), undefined);
  assert.equal(scene.report(first, 0, 1, 'healthy'), undefined);
  const [endpoint, ...others] = look(scene);
  assert.deepEqual(others, []);
  assert.deepEqual(endpoint, {
    ...{ contract: scene.plan.id, lineage: scene.plan.id, generation: 0 },
    ...{ name: scene.plan.header.name, role: 'shard', port: 'http', publish: 8080, kind: 'tcp' },
    isLeaving: false,
    replicas: [
      { replica: 0, address: '192.0.2.0:8080', isReady: true },
      { replica: 1, address: '192.0.2.1:8080', isReady: false },
    ],
  });
  assert.deepEqual(look(scene, scene.bob.id), []);
  assert.equal(scene.slice(0, third, 2), undefined);
  assert.equal(scene.place(2, [third, second], { reason: 'drain' }), undefined);
  const [moved] = look(scene);
  assert.deepEqual(moved?.replicas[0], { replica: 0, address: '192.0.2.2:8080', isReady: false });
  assert.equal(moved?.isLeaving, true);
});

test('heads of a store are known by what they run, at the port where they listen', () => {
  const args = ['s3', 'serve', '--contract', '--listen', '0.0.0.0:9000'];
  const ports = [
    { name: 's3', port: 9000, protocol: 'tcp', publish: 9000 },
    { name: 'metrics', port: 9001, protocol: 'tcp', publish: 9001 },
  ] as const;
  const scene = sceneOf({ ...plain, args, ports: [...ports] });
  scene.run(1, [scene.nodes[0], scene.nodes[1]]);
  const kinds = look(scene).map(({ port, kind }) => [port, kind]);
  assert.deepEqual(kinds, [
    ['s3', 's3'],
    ['metrics', 'tcp'],
  ]);
});

test('who knows the endpoints waits for others, and is told at once when there are', async () => {
  const scene = sceneOf(plain);
  const news = Promise.withResolvers<void>();
  await using desk = new EndpointDesk({
    owner: scene.ada.id,
    grid: {
      now: async () => ({ fold: scene.grid.fold, at: scene.grid.at }),
      node: async (id) => {
        const record = scene.grid.fold.current('grid.node.1', id);
        return record && { ...record, addresses: ['ip://192.0.2.1'] };
      },
      changed: () => news.promise,
    },
  });
  const signal = AbortSignal.timeout(60_000);
  const none = await desk.look({}, signal);
  assert.deepEqual(none.endpoints, []);
  // Time that is over is an answer, too.
  assert.deepEqual(await desk.look({ version: none.version, waitMs: 1 }, signal), none);
  assert.deepEqual(await desk.look({ version: 'another', waitMs: 60_000 }, signal), none);
  const waiting = desk.look({ version: none.version, waitMs: 60_000 }, signal);
  assert.equal(scene.run(1, [scene.nodes[0], scene.nodes[1]]), undefined);
  news.resolve();
  const { version, endpoints } = await waiting;
  assert.equal(endpoints.length, 1);

  const ended = desk.look({ version, waitMs: 60_000 }, signal);
  await desk[Symbol.asyncDispose]();
  await assert.rejects(ended, hasCode('BASE_ABORTED'));
});
