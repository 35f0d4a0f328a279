import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionHash } from '@commongrid/model';
import type { Hash } from '@commongrid/model';
import { fakeId, WalletScene } from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';
import { Wallet } from '../src/wallet.ts';
import { SceneRail } from './support/scene-rail.ts';

const preimage = fakeId.hash(1);
const currency = 'EUR';

function walletOf(scene: WalletScene, who: Actor): Wallet {
  return new Wallet(new SceneRail(scene, who));
}

test('money that waits for a preimage goes to its receiver by it, and back after its time', async () => {
  const scene = new WalletScene();
  const [ada, bob] = [walletOf(scene, scene.ada), walletOf(scene, scene.bob)];
  const condition = { hash: conditionHash(preimage) as Hash, untilMs: scene.hour(1) };
  const order = { to: scene.bob.id, amount: 100n, currency, condition };
  const [first, second] = [
    await ada.transfer({ ...order, key: 'first' }),
    await ada.transfer({ ...order, key: 'second' }),
  ];
  assert.equal(scene.balance(scene.ada.id), 9800n);
  await assert.rejects(bob.claim(first, fakeId.hash(2)), /SETTLEMENT_PREIMAGE/);
  await assert.rejects(ada.takeBack(second), /SETTLEMENT_EARLY/);
  await bob.claim(first, preimage);
  await bob.claim(first, preimage);
  assert.equal(scene.balance(scene.bob.id), 100n);
  scene.at(2);
  await assert.rejects(bob.claim(second, preimage), /SETTLEMENT_LATE/);
  await ada.takeBack(second);
  await ada.takeBack(second);
  assert.equal(scene.balance(scene.ada.id), 9900n);
  await assert.rejects(ada.takeBack(first), /SETTLEMENT_SETTLED/);
});

test('a buyer objects once to the same seconds, and with the arbiter gets them back', async () => {
  const scene = new WalletScene();
  const [ada, bob, dan] = [scene.ada, scene.bob, scene.dan].map((who) => walletOf(scene, who));
  assert.ok(ada !== undefined && bob !== undefined && dan !== undefined);
  assert.equal(scene.rent(), undefined);
  scene.at(1);
  assert.equal(scene.receipt(1, 0, 1), undefined);
  scene.presence(0, 1);
  const lock = fakeId.lock(1);
  const seconds = { lock, fromMs: scene.hour(0.5), toMs: scene.hour(1), reason: 'it was slow' };
  const id = await ada.object(seconds);
  assert.equal(await ada.object(seconds), id);
  await assert.rejects(bob.decide({ lock, id: fakeId.hex16(9), says: 'pay' }), {
    code: 'WALLET_OBJECTION_UNKNOWN',
  });
  await bob.decide({ lock, id, says: 'pay' });
  await dan.decide({ lock, id, says: 'refund' });
  await dan.decide({ lock, id, says: 'refund' });
  scene.at(2);
  await bob.settle();
  assert.equal(scene.balance(scene.bob.id), 180n, 'half an hour, ten seconds a unit');
  await assert.rejects(ada.object({ ...seconds, lock: fakeId.lock(7) }), {
    code: 'WALLET_LOCK_UNKNOWN',
  });
});
