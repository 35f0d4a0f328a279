import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GridError, waitFor } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import type { GridRecord, WorkloadId } from '@commongrid/model';

import type { WorkloadSource } from '../src/index.ts';
import { NodeTown, openPlanned, sourceOf } from './support/node-town.ts';

const deadline = { timeoutMs: 60_000, everyMs: 20 };

type Lie = (records: readonly GridRecord[]) => readonly GridRecord[];

const lies: Readonly<Record<string, Lie>> = {
  empty: () => [],
  older: (records) => records.slice(0, 6),
  // Placed here is nothing, says the record by its old number.
  rewritten: (records) =>
    records.map((record) =>
      record.url === 'grid.placement.1'
        ? { ...record, value: { ...(record.value as object), items: [] } }
        : record,
    ),
  // The answer is an error, as of a database that is gone.
  gone: () => {
    throw new GridError('LIAR_GONE', 'there is nothing of that name');
  },
  // Whoever signed the tombstone may not.
  forged: (records) => {
    const { obj = '' } = records.find(({ url }) => url === 'grid.contract.1') ?? {};
    const workload = `${obj}/disk/0`;
    const { text: author } = SigningKey.generate().publicKey;
    const value = { workload, revision: 1, reason: 'removed' };
    const rest = { author, at: Date.now(), op: 'put' as const, url: 'grid.tombstone.1' as const };
    return [...records, { ...rest, seq: records.length, obj: workload, value }];
  },
};

test('a source that forgets, goes back, rewrites or forges ends nothing and deletes nothing', async () => {
  await using town = await NodeTown.open();
  const volumes = [{ role: 'disk', path: '/data', isReadOnly: false }];
  const web = town.role('web', 'exec sleep 1000', { container: { volumes } });
  const workloads = await town.deploy(town.draft([town.volume('disk'), web]));
  const ids = [...workloads.values()];
  const before = await whatRuns(town, sourceOf(town.plan), ids);
  for (const [name, lie] of Object.entries(lies)) {
    const liar = new LyingSource(sourceOf(town.plan), lie);
    const after = await whatRuns(town, liar, ids, () => liar.toldCount >= 2);
    assert.deepEqual(after, before, name);
  }
  assert.deepEqual(await whatRuns(town, sourceOf(town.plan), ids), before, 'the truth');
});

/** Opens the node, waits until all runs and it heard enough, and gives what there is. */
async function whatRuns(
  { plan }: NodeTown,
  source: WorkloadSource,
  ids: readonly WorkloadId[],
  hasHeard = () => true,
): Promise<object> {
  await using agent = await openPlanned(plan, undefined, source);
  const { state, machine } = agent;
  // The last that is told of them.
  const areHealthy = (): boolean => ids.every((id) => state.workload(id)?.phase === 'healthy');
  await waitFor(() => hasHeard() && areHealthy(), { ...deadline, what: 'what runs' });
  await agent.apply();
  // The janitor goes by what the node knows, whatever it was told last.
  const { signal } = new AbortController();
  assert.deepEqual(await agent.reconciler.collect(signal), []);
  assert.deepEqual(await agent.reconciler.orphans(signal), []);
  const keys = state.workloads().map(({ known }) => known.key);
  return {
    volumes: await machine.volumes.list(),
    // With their starts.
    containers: await Promise.all(keys.map((key) => machine.containers.observe(key))),
    addresses: await machine.network.list(),
    events: state.events(0, 1_000),
  };
}

/** Tells what another source tells, changed, and always from the beginning. */
class LyingSource implements WorkloadSource {
  readonly log: string;
  toldCount = 0;
  readonly #truth: WorkloadSource;
  readonly #lie: Lie;

  constructor(truth: WorkloadSource, lie: Lie) {
    this.#truth = truth;
    this.#lie = lie;
    this.log = truth.log;
  }

  async *changes(_cursor: string, signal: AbortSignal) {
    for await (const change of this.#truth.changes('', signal)) {
      this.toldCount++;
      yield { ...change, records: this.#lie(change.records) };
    }
  }

  viewAgeSeconds(): number {
    return this.#truth.viewAgeSeconds();
  }

  silentSeconds(): number {
    return this.#truth.silentSeconds();
  }

  async say(): Promise<void> {}

  attend(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#truth[Symbol.asyncDispose]();
  }
}
