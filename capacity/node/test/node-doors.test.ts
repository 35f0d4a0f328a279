import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { askControl } from '@commongrid/base';
import type { ControlArguments } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { fakeId } from '@commongrid/model/testing';

import type { NodeStatus } from '../src/agent/node-actions.ts';
import { NodeAgent } from '../src/agent/node-agent.ts';
import { nodeControlPath, NodeDoors } from '../src/agent/node-doors.ts';
import { FolderSource } from '../src/grid/folder-source.ts';
import type { NumberedEvent } from '../src/reconcile/node-state.ts';

const room = { cpuMilli: 4_000, memoryBytes: 2 ** 30, ssdBytes: 2 ** 30, hddBytes: 0 };
const workload = fakeId.workload(fakeId.contract(1), 'web', 0);

/** A node without records, on a machine that runs nothing, and what it answers. */
async function openNode() {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await tempFolder('doors'));
  const records = join(folder, 'records');
  await mkdir(records);
  const key = SigningKey.generate();
  const agent = stack.use(
    await NodeAgent.open({
      ...{ folder, key, releaseKeys: [], bootId: randomBytes(16).toString('base64url') },
      source: new FolderSource({ folder: records, log: fakeId.hash(1), key }),
      facts: {
        ...{ farm: fakeId.farm(1), name: 'shelf-3', capacity: room },
        ...{ features: [], addresses: [] },
      },
      capacity: { ...room, pids: 100 },
      openMachine: async () => ({ drivers: new Map(), [Symbol.asyncDispose]: async () => {} }),
    }),
  );
  stack.use(await NodeDoors.open({ agent, folder }));
  const owned = stack.move();
  const ask = async <T = unknown>(action: string, args: ControlArguments = {}): Promise<T> =>
    (await askControl(nodeControlPath(folder), action, args)) as T;
  return { agent, ask, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test('node shows who it is, and what it has', async () => {
  await using node = await openNode();
  const status = await node.ask<NodeStatus>('status');
  assert.equal(status.id, node.agent.id);
  assert.equal(status.standing, 'unknown');
  assert.deepEqual(status.capacity, { ...room, pids: 100 });
  assert.equal(status.used.cpuMilli, 0);
  assert.deepEqual(await node.ask('workloads'), []);
  assert.deepEqual(await node.ask('orphans'), []);
});

test('node is cordoned or drained until it is open again', async () => {
  await using node = await openNode();
  const { id } = node.agent;
  for (const service of ['cordoned', 'draining', 'open'] as const) {
    assert.deepEqual(await node.ask('serve', { service }), { id, name: 'shelf-3', service });
    assert.equal((await node.ask<NodeStatus>('status')).service, service);
  }
  await assert.rejects(node.ask('serve', { service: 'away' }), hasCode('NODE_SERVICE_UNKNOWN'));
});

test('node gives events after a number, and waits for the next', async () => {
  await using node = await openNode();
  const note = (code: string): void => {
    const why = { code, message: 'no', isRetryable: true };
    node.agent.reconciler.refuse({ id: workload, revision: 1 }, why);
  };
  note('FIRST');
  const [first] = await node.ask<readonly NumberedEvent[]>('events', { limit: 10 });
  assert.equal(first?.code, 'FIRST');
  const asked = { after: first?.seq, limit: 10, wait: true };
  const waiting = node.ask<readonly NumberedEvent[]>('events', asked);
  note('SECOND');
  const [second, ...more] = await waiting;
  assert.equal(second?.code, 'SECOND');
  assert.deepEqual(more, []);
  assert.deepEqual(await node.ask('events', { after: second?.seq, limit: 10 }), []);
  const other = fakeId.workload(fakeId.contract(1), 'db', 0);
  assert.deepEqual(await node.ask('events', { limit: 10, workload: other }), []);
});

test('node says of what it does not have that it has it not', async () => {
  await using node = await openNode();
  await assert.rejects(node.ask('stats', { workload }), hasCode('NODE_WORKLOAD_UNKNOWN'));
});
