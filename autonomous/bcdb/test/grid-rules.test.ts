import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { desiredOf } from '@commongrid/model';
import type { Desired, NodeId } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import { Bcdb } from '../src/bcdb.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { Town } from '../src/testing/feeds-town.ts';
import { follow, sameState } from './support/notes.ts';
import { proposeContract } from './support/proposed-contract.ts';
import { broken, foldOf, TimedTown } from '../src/testing/timed-town.ts';

test('the log takes what the rules of contracts let in, and a node comes to run it', async () => {
  await using timed = await TimedTown.open();
  const { bcdb, town, folder } = timed;
  {
    await using _closing = { [Symbol.asyncDispose]: () => bcdb.close() };
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
    assert.equal((await seenBy(timed, one.id)).get(workload)?.be, 'run');
    await town.slice(ada, contract, two.id, 0, 2);
    await town.place(ada, contract, [two.id], 2);
    const value = { workload, revision: 1, reason: 'removed' } as const;
    const early = town.put('grid.tombstone.1', ada.device, value);
    assert.equal(await broken(early), 'CONTRACT_QUORUM_MISSING');
    await town.put('grid.approval.1', ada.device, plan.approval(ada.id, { action: 'remove' }));
    await town.put('grid.tombstone.1', ada.device, value);
    assert.equal((await seenBy(timed, one.id)).get(workload)?.be, 'remove');
    // What is to be removed is started nowhere.
    const there = (await seenBy(timed, two.id)).get(workload);
    const refused = { workload, revision: 2, be: 'refused', code: 'CONTRACT_REMOVED' };
    assert.deepEqual(there, refused);
    await using replica = await follow(join(folder, 'replica'), bcdb);
    await sameState(replica, bcdb);
  }
  const { fault, findings } = await verifyFolder(timed.dirOf('log'));
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
    const { name, agree } = await proposeContract(town, { by: eve, agreed: ada, value });
    return async () => {
      await agree();
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
async function seenBy(timed: TimedTown, node: NodeId): Promise<ReadonlyMap<string, Desired>> {
  await timed.tick();
  await using light = await timed.followAs(node, node);
  await light.sync();
  const fold = foldOf(timed.bcdb, light, node);
  assert.deepEqual([...fold.refusals], []);
  const { at } = timed.bcdb;
  const now = { at, viewAgeSeconds: 1, isFirstStart: () => true, isLeaving: false };
  return desiredOf(fold, node, now);
}
