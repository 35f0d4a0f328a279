import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';
import { boxToText, sealBox, SealingKey } from '@commongrid/crypto';
import type { BotId, ContractId, ContractRole, SealedAssignment } from '@commongrid/model';
import { secretBoxInfo, secretCommit } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';

import { OpenedWishes } from './opened-wishes.ts';

const log = fakeId.hash(1);
const contract = `contract:${'a'.repeat(22)}` as ContractId;
const key = SealingKey.generate();

const role: ContractRole = {
  ...{ name: 'disk', replicas: 1, networks: [], after: [], data: 'local', onIsolation: 'keep' },
  restart: { policy: 'always', delayMs: 200, delayMaxMs: 1_000 },
  spread: { distinctNodes: false },
  resources: { cpuMilli: 0, memoryBytes: 0, ssdBytes: 2 ** 24, hddBytes: 0, ipv4: 0 },
  workload: { kind: 'volume', volume: { sizeBytes: 2 ** 24, disk: 'ssd' } },
};

async function sealed(value: string): Promise<SealedAssignment> {
  const opening = { salt: 'c2FsdA', value };
  const info = secretBoxInfo(log, contract, 'token');
  const bytes = new TextEncoder().encode(JSON.stringify(opening));
  const box = boxToText(await sealBox(key.publicKey, bytes, { info }));
  return {
    ...{ id: `${contract}/disk/0` as never, revision: 1, contract, tenant: 'bot:ada' as BotId },
    ...{ role, replica: 0, addresses: [], isElevated: false },
    secrets: [{ name: 'token', box, commit: secretCommit(opening) }],
  };
}

test('what comes to the same is the same wish', async () => {
  const wishes = new OpenedWishes(key, log);
  const one = await sealed('first');
  const wish = await wishes.of(one);
  assert.equal(wish.assignment.secrets.get('token'), 'first');
  assert.equal(await wishes.of(again(one)), wish);
});

test('what differs in anything is another wish', async () => {
  const wishes = new OpenedWishes(key, log);
  const one = await sealed('first');
  const wish = await wishes.of(one);
  const second = await wishes.of(await sealed('second'));
  assert.equal(second.assignment.secrets.get('token'), 'second');
  const raised = await wishes.of({ ...one, revision: 2 });
  assert.deepEqual([wish.assignment.revision, raised.assignment.revision], [1, 2]);
  const bad = { ...one, secrets: one.secrets.map((secret) => ({ ...secret, commit: log })) };
  await assert.rejects(wishes.of(bad), hasCode('NODE_SECRET_MISMATCH'));
});

/** As the rules give it the next time: all anew but the role, which is the record's. */
function again(one: SealedAssignment): SealedAssignment {
  return { ...structuredClone(one), role: one.role };
}
