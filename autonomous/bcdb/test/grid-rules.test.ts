import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { contractIdOf, desiredOf, GridFold } from '@commongrid/model';
import type { Desired, GridRecord, NodeId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { Bcdb } from '../src/bcdb.ts';
import { LightFollower } from '../src/follow/light-follower.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { ticked, Town, TownSource } from './support/feeds-town.ts';
import { follow, sameState } from './support/notes.ts';

/** The code of the rule that a record breaks; undefined when it was let in. */
function broken(said: Promise<unknown>): Promise<unknown> {
  return said.then(
    () => undefined,
    (error: unknown) => {
      assert.ok(isGridError(error, 'BCDB_RULE_BROKEN'), String(error));
      return error.details['rule'];
    },
  );
}

test('the log takes what the rules of contracts let in, and a node comes to run it', async () => {
  await using folder = await tempFolder();
  const clock = new ManualClock(1_800_000_000_000);
  const dataDir = join(folder.path, 'log');
  const owner = SigningKey.generate();
  const bcdb = await Bcdb.open({ dataDir, owner, clock });
  {
    await using _closing = { [Symbol.asyncDispose]: () => bcdb.close() };
    const town = await Town.found(bcdb);
    const [ada, eve] = [await town.citizen('ada'), await town.citizen('eve')];
    const farm = await town.farm(ada, 1);
    const [one, two] = [await town.node(ada, farm, 'one'), await town.node(ada, farm, 'two')];
    const contract = await town.contract(ada, [ada], 1);
    const { plan } = town.planOf(contract);
    const forged = plan.approval(ada.id, { action: 'halt' });
    const approval = town.put('grid.approval.1', eve.device, forged);
    assert.equal(await broken(approval), 'APPROVAL_NOT_SIGNER');
    assert.equal(await broken(town.slice(eve, contract, one.id, 0)), 'CONTRACT_NOT_HOLDER');
    assert.equal(await broken(town.place(eve, contract, [one.id])), 'CONTRACT_NOT_HOLDER');
    assert.equal(await broken(town.event(one, contract, 0)), 'REPORT_NOT_PLACED');
    await town.slice(ada, contract, one.id, 0);
    await town.place(ada, contract, [one.id]);
    assert.equal(await broken(town.place(ada, contract, [two.id])), 'PLACEMENT_REPLAYED');
    await town.event(one, contract, 0);
    const workload = fakeId.workload(contract, 'shard', 0);
    assert.equal((await seenBy(bcdb, clock, folder.path, one.id)).get(workload)?.be, 'run');
    await town.slice(ada, contract, two.id, 0, 2);
    await town.place(ada, contract, [two.id], 2);
    const value = { workload, revision: 1, reason: 'removed' } as const;
    const early = town.put('grid.tombstone.1', ada.device, value);
    assert.equal(await broken(early), 'CONTRACT_QUORUM_MISSING');
    await town.put('grid.approval.1', ada.device, plan.approval(ada.id, { action: 'remove' }));
    await town.put('grid.tombstone.1', ada.device, value);
    assert.equal((await seenBy(bcdb, clock, folder.path, one.id)).get(workload)?.be, 'remove');
    // What is to be removed is started nowhere.
    const there = (await seenBy(bcdb, clock, folder.path, two.id)).get(workload);
    const refused = { workload, revision: 2, be: 'refused', code: 'CONTRACT_REMOVED' };
    assert.deepEqual(there, refused);
    await using replica = await follow(join(folder.path, 'replica'), bcdb);
    await sameState(replica, bcdb);
  }
  const { fault, findings } = await verifyFolder(dataDir);
  assert.deepEqual({ fault, findings }, { fault: undefined, findings: [] });
});

test('a change that others agree to does nothing once the key that proposed it has ended', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await Bcdb.open({ dataDir: join(folder.path, 'log'), owner });
  const town = await Town.found(bcdb);
  const [ada, eve] = [await town.citizen('ada'), await town.citizen('eve')];
  const { plan } = town.planOf(await town.contract(ada, [ada], 1));
  const propose = async (n: number): Promise<() => Promise<boolean>> => {
    const value = { ...plan.header, nonce: fakeId.hash(n) };
    const name = { ns: 'grid', url: 'grid.contract.1', obj: contractIdOf(value) };
    const lines = [{ role: 'owner', signers: [ada.id], min: 1 }];
    const policy = { url: 'bcdb.policy.1', obj: `object/${name.url}/${name.obj}` };
    await bcdb.write({ ns: 'grid', op: 'put', ...policy, value: { write: lines } });
    const { policySeq = -1 } = bcdb.policyFor({ ...name, op: 'put' }) ?? {};
    const schema = bcdb.schemaOf('grid', name.url) ?? '';
    const exp = bcdb.at + 600_000;
    const { url, obj } = name;
    const proposal = { op: 'put', url, obj, schema, value, policySeq, exp } as unknown as JsonValue;
    const { version } = await town.say('bcdb.proposal.1', eve.device, `p-${n}`, proposal);
    return async () => {
      const yes = { proposal: version, role: 'owner', verdict: 'approve', exp };
      await town.say('bcdb.approval.1', ada.device, `yes-${n}`, yes);
      return bcdb.state.document(name) !== undefined;
    };
  };
  const [before, after] = [await propose(2), await propose(3)];
  assert.equal(await before(), true);
  const bot = town.botOf(eve);
  const keys = bot.keys.map((key) => ({ ...key, ended: 'retired' as const }));
  await town.put('grid.bot.1', eve.root, { ...bot, keys });
  assert.equal(await after(), false);
});

/** What a node that follows its feed alone makes of it. */
async function seenBy(
  bcdb: Bcdb,
  clock: ManualClock,
  path: string,
  node: NodeId,
): Promise<ReadonlyMap<string, Desired>> {
  await clock.advance(1500);
  await ticked(bcdb);
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const source = new TownSource(bcdb);
  const dataDir = join(path, node);
  await using light = await LightFollower.open({ dataDir, trust, reader: node, source, clock });
  await light.sync();
  const { releaseKeys } = bcdb.genesis;
  const fold = new GridFold({ log: bcdb.log, releaseKeys, reader: node });
  const records: GridRecord[] = [];
  for (const { seq, at, changes } of light.changes(0)) {
    for (const { ns, url, obj, op, author, value } of changes) {
      if (ns === 'grid') records.push({ seq, at, author, url, obj, op, value });
    }
  }
  // The order in which they come does not matter.
  fold.add(records.slice(records.length / 2));
  fold.add(records);
  assert.deepEqual([...fold.refusals], []);
  return desiredOf(fold, node, { at: bcdb.at, viewAgeSeconds: 1, isFirstStart: () => true });
}
