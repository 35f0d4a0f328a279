import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { isGridError, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { sliceHash } from '@commongrid/model';
import type { ContractDraft, PlacementItem, Slice, WorkloadId } from '@commongrid/model';

import { isUp } from '../src/testing/index.ts';
import { FolderSource, shortIdOf } from '../src/index.ts';
import { NodeTown, openPlanned, sourceOf } from './support/node-town.ts';

const deadline = { timeoutMs: 60_000, everyMs: 20 };
const mib = 2 ** 20;
const small = { cpuMilli: 50, memoryBytes: 16 * mib, ssdBytes: 32 * mib, hddBytes: 0, ipv4: 0 };

/** Its word can grow old. */
class AgingSource extends FolderSource {
  ageSeconds = 0;

  override viewAgeSeconds(): number {
    return this.ageSeconds;
  }
}

let town: NodeTown;
let source: AgingSource;
let agent: Awaited<ReturnType<typeof openPlanned>>;

before(async () => {
  town = await NodeTown.open();
  const { plan } = town;
  const key = SigningKey.fromSeed(Buffer.from(plan.seed, 'base64url'));
  source = new AgingSource({ folder: plan.records, log: plan.log, key });
  agent = await openPlanned(plan, undefined, source);
});

after(async () => {
  await agent?.close();
  await town?.[Symbol.asyncDispose]();
});

const stranger = SigningKey.generate();

test('records that are forged, altered, replayed or told late start nothing, each with its code', async () => {
  const honest = draft();
  const calm = idOf(await town.deploy(honest));
  await until(() => isUp(phaseOf(calm)), 'the honest one');
  const former = await agent.machine.containers.observe(shortIdOf(calm));
  const contracts: ContractDraft[] = [];
  const begun = async (signer?: SigningKey): Promise<ContractDraft> => {
    const one = draft();
    contracts.push(one);
    await town.put('grid.contract.1', one.id, one.header);
    await town.approve(one, 'provision', signer);
    await town.lease(one);
    return one;
  };

  const unsigned = await begun(stranger);
  await town.change(unsigned, 1, new Map());
  await refuses('APPROVAL_NOT_SIGNER', 'CONTRACT_QUORUM_MISSING');

  const stolen = await begun();
  const slice = await town.sliceOf(stolen, 'web', 0, 1);
  await town.put('grid.slice.1', `${town.node}/${slice.workload}`, slice, stranger);
  await town.place(stolen, 1, [itemOf(slice)], {}, stranger);
  await refuses('CONTRACT_NOT_HOLDER', 'CONTRACT_NOT_HOLDER');

  const altered = await begun();
  const evil = withVariable(await town.sliceOf(altered, 'web', 0, 1));
  await town.put('grid.slice.1', `${town.node}/${evil.workload}`, evil);
  await town.place(altered, 1, [itemOf(evil)]);
  await refuses('SLICE_OPENING_MISMATCH');
  await until(() => codeOf(altered) === 'SLICE_MISSING', 'a refusal of what was altered');

  const swapped = await begun();
  const own = await town.sliceOf(swapped, 'web', 0, 1);
  await town.put('grid.slice.1', `${town.node}/${own.workload}`, own);
  const foreign = await town.sliceOf(honest, 'web', 0, 1);
  await town.place(swapped, 1, [itemOf(foreign)]);
  await until(() => codeOf(swapped) === 'SLICE_MISMATCH', 'a refusal of the slice of another');

  await town.place(honest, 1, []);
  await refuses('PLACEMENT_REPLAYED');
  await town.lease(honest);
  await town.place(honest, 2, [], { fence: 1 });
  await refuses('PLACEMENT_FENCE_OLD');
  const fault = { workload: calm, revision: 1, reason: 'removed' as const };
  await town.put('grid.tombstone.1', calm, fault, stranger);
  await town.put('grid.tombstone.1', calm, fault);
  await refuses('TOMBSTONE_STILL_PLACED', 'TOMBSTONE_STILL_PLACED');

  source.ageSeconds = 31;
  const late = draft();
  const lateId = idOf(await town.deploy(late));
  await until(() => codeOf(late) === 'VIEW_STALE', 'a refusal by an old view');
  assert.deepEqual(await agent.machine.containers.observe(shortIdOf(calm)), former);
  assert.equal((await agent.machine.containers.list()).length, 1);
  for (const { id } of contracts) assert.equal(phaseOf(`${id}/web/0` as WorkloadId), undefined);
  source.ageSeconds = 0;
  await until(() => isUp(phaseOf(lateId)), 'the late one');
});

test('a record whose text is not what was signed is taken by no node', async () => {
  const one = draft();
  await town.put('grid.contract.1', one.id, one.header);
  await town.approve(one, 'provision');
  await town.lease(one);
  const slice = await town.sliceOf(one, 'web', 0, 1);
  const numbers = (await readdir(town.plan.records)).flatMap((name) =>
    /^\d+\.json$/.test(name) ? Number.parseInt(name, 10) : [],
  );
  // The folder is read in order: what comes after the wrong one is not taken either.
  const file = join(town.plan.records, `${Math.max(...numbers) + 1}.json`);
  await town.put('grid.slice.1', `${town.node}/${slice.workload}`, slice);
  const good = await readFile(file, 'utf8');
  const record = JSON.parse(good) as { readonly value: Slice };
  await writeFile(file, JSON.stringify({ ...record, value: withVariable(record.value) }));
  await town.place(one, 1, [itemOf(slice)]);
  await assert.rejects(
    sourceOf(town.plan).changes('', AbortSignal.timeout(60_000)).next(),
    hasCode('NODE_RECORD_INVALID'),
  );
  await writeFile(file, good);
  await until(() => isUp(phaseOf(slice.workload)), 'what was signed');
});

test('a secret that is not what the contract committed to starts nothing, until the right one is sealed', async () => {
  const container = { secretEnv: [{ name: 'TOKEN', secret: 'token' }] };
  const role = town.role('web', 'exec sleep 1000', { resources: small, container });
  const one = town.draft([role], { token: 'opensesame' });
  const [known] = one.secrets.values();
  assert.ok(known !== undefined);
  const wrong = { ...one, secrets: new Map([['token', { ...known, value: 'sesame' }]]) };
  await town.put('grid.contract.1', one.id, one.header);
  await town.approve(one, 'provision');
  await town.lease(one);
  const slice = await town.sliceOf(wrong, 'web', 0, 1);
  await town.put('grid.slice.1', `${town.node}/${slice.workload}`, slice);
  await town.place(one, 1, [itemOf(slice)]);
  await until(() => codeOf(one) === 'NODE_SECRET_MISMATCH', 'a refusal of the wrong secret');
  assert.notEqual(phaseOf(slice.workload), 'running');
  const right = await town.sliceOf(one, 'web', 0, 1);
  await town.put('grid.slice.1', `${town.node}/${right.workload}`, right);
  await until(() => isUp(phaseOf(right.workload)), 'it by the right secret');
});

function draft(): ContractDraft {
  return town.draft([town.role('web', 'exec sleep 1000', { resources: small })]);
}

function itemOf(slice: Slice): PlacementItem {
  return { role: 'web', replica: 0, node: town.node, slice: sliceHash(slice) };
}

/** The slice with a variable that nobody signed. */
function withVariable(slice: Slice): Slice {
  const { role } = slice.opening;
  const { container } = role.workload;
  assert.ok(container !== undefined);
  const env = [{ name: 'LD_PRELOAD', value: '/data/evil.so' }];
  const workload = { ...role.workload, container: { ...container, env } };
  return { ...slice, opening: { ...slice.opening, role: { ...role, workload } } };
}

let seenCount = 0;

/** Waits until the rules refused so many more records, and holds them to their codes. */
async function refuses(...codes: readonly string[]): Promise<void> {
  const { refusals } = agent.view;
  await until(() => refusals.size >= seenCount + codes.length, codes.join());
  assert.deepEqual([...refusals.values()].slice(seenCount), codes);
  seenCount = refusals.size;
}

/** Why nothing of a contract is started. */
function codeOf({ id }: ContractDraft): string | undefined {
  const events = agent.state.events(0, 1_000, `${id}/web/0` as WorkloadId);
  return events.findLast(({ phase }) => phase === 'refused')?.code;
}

function idOf(workloads: ReadonlyMap<string, WorkloadId>): WorkloadId {
  const id = workloads.get('web');
  assert.ok(id !== undefined);
  return id;
}

function phaseOf(id: WorkloadId): string | undefined {
  return agent.state.workload(id)?.phase;
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  try {
    await waitFor(isSo, { ...deadline, what });
  } catch (error) {
    if (isGridError(error, 'BASE_TIMEOUT')) console.log(agent.state.newestEvents(20));
    throw error;
  }
}
