import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { Bcdb } from '@commongrid/bcdb';
import { tempFolder } from '@commongrid/base/testing';
import { ticked, Town, TownSource } from '@commongrid/bcdb/testing';
import { SigningKey } from '@commongrid/crypto';
import type { KeyText, RecordOf } from '@commongrid/model';
import { DeploymentPlan } from '@commongrid/model/testing';

import { auditContract, verifyAudit } from '../src/audit/audit-contract.ts';

function textOf({ publicKey }: SigningKey): KeyText {
  return publicKey.text as KeyText;
}

test('an audit holds what a bot did for its contract to the keys that it had then', async () => {
  await using folder = await tempFolder('audit-keys');
  await using bcdb = await Bcdb.open({
    ...{ dataDir: join(folder.path, 'log'), owner: SigningKey.generate() },
  });
  const town = await Town.found(bcdb);
  const ada = await town.citizen('ada');
  const farm = await town.farm(ada, 1);
  const node = await town.node(ada, farm, 'node');
  const plan = new DeploymentPlan({
    ...{ log: bcdb.log, owner: ada.id, controller: textOf(ada.device), at: bcdb.at },
    header: { controllers: [ada.id] },
  });
  const place = async (key: SigningKey, fence: number): Promise<void> => {
    const holder = textOf(key);
    await town.put('grid.lease.1', key, plan.lease(fence, { holder }));
    await town.put('grid.slice.1', key, plan.slice(0, node.id, fence));
    await town.put('grid.placement.1', key, plan.placement(fence, [node.id], { fence }));
  };
  await town.put('grid.contract.1', ada.device, plan.header);
  await town.put('grid.approval.1', ada.device, plan.approval(ada.id));
  await place(ada.device, 1);
  const next = SigningKey.generate();
  const bot = town.botOf(ada, [next]);
  const keys = bot.keys.map((one): RecordOf<'grid.bot.1'>['keys'][number] => {
    return one.key === textOf(next) ? one : { ...one, ended: 'retired' };
  });
  await town.put('grid.bot.1', ada.root, { ...bot, keys });
  await place(next, 2);
  await ticked(bcdb);
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const { text } = await auditContract({
    ...{ source: new TownSource(bcdb), trust, reader: ada.id, contract: plan.id },
    signal: AbortSignal.timeout(60_000),
  });
  const { report } = verifyAudit(new TextEncoder().encode(text), trust);
  const refused = report.records.filter(({ refusal }) => refusal !== null);
  assert.deepEqual(refused, []);
  const placements = report.records.filter(({ url }) => url === 'grid.placement.1');
  assert.deepEqual(
    placements.map(({ author }) => author),
    [textOf(ada.device), textOf(next)],
  );
  const devices = report.keys.filter(({ role }) => role === 'device');
  assert.deepEqual(
    new Map(devices.map(({ key, to }) => [key, to !== null])),
    new Map([
      [textOf(ada.device), true],
      [textOf(next), false],
    ]),
  );
});
