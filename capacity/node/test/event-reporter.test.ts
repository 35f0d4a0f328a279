import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GridError, waitFor } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import type { NodeId, WorkloadId } from '@commongrid/model';

import { EventReporter } from '../src/agent/event-reporter.ts';
import type { NodeStatement } from '../src/ports.ts';
import { NodeState } from '../src/reconcile/node-state.ts';

const deadline = { timeoutMs: 60_000, everyMs: 5 };
const loud = 'contract:loud/web/0' as WorkloadId;
const calm = 'contract:calm/web/0' as WorkloadId;

type Said = Readonly<Record<string, unknown>>;

test('a workload that flaps fills no log, and its newest event is told in the end', async () => {
  await using folder = await tempFolder('events');
  using state = NodeState.open(folder.path);
  const clock = new ManualClock();
  const said: Said[] = [];
  const say = async ({ value }: NodeStatement): Promise<void> => void said.push(value as Said);
  for (let at = 1; at <= 80; at++) note(state, loud, at);
  note(state, calm, 81);
  await using reporter = new EventReporter({ ...{ state, clock }, source: { say }, node });
  await waitFor(() => said.some(({ workload }) => workload === calm), {
    ...deadline,
    what: 'calm',
  });
  assert.equal(said.filter(({ workload }) => workload === loud).length, 50);
  assert.equal(state.told, 79);
  note(state, loud, 90);
  reporter.poke();
  await waitFor(
    async () => {
      await clock.advance(1_000);
      return said.at(-1)?.['at'] === 90;
    },
    { ...deadline, what: 'the newest' },
  );
  assert.equal(said.length, 52);
  await waitFor(() => state.told === 82, { ...deadline, what: 'the count of it' });
});

test('what the log cannot take holds up nothing after it', async () => {
  await using folder = await tempFolder('events');
  using state = NodeState.open(folder.path);
  const said: Said[] = [];
  const say = async ({ value }: NodeStatement): Promise<void> => {
    const event = value as Said;
    if (event['at'] === 2) throw new GridError('CRYPTO_JSON_UNSUPPORTED', 'it is no text');
    said.push(event);
  };
  const message = `${'a'.repeat(999)}${'\u{1f600}'.repeat(3)}`;
  state.note({ workload: loud, revision: 1, phase: 'failed', message, at: 1 });
  note(state, loud, 2);
  note(state, calm, 3);
  await using _reporter = new EventReporter({ state, source: { say }, node });
  await waitFor(() => state.told === 3, { ...deadline, what: 'all to be told' });
  assert.deepEqual(
    said.map(({ at }) => at),
    [1, 3],
  );
  assert.equal(said[0]?.['message'], `${'a'.repeat(999)}\ufffd`);
});

const node = 'node:one' as NodeId;

function note(state: NodeState, workload: WorkloadId, at: number): void {
  state.note({ workload, revision: 1, phase: 'failed', at });
}
