import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { heldBy, recordTypes } from '@commongrid/model';
import { fakeId, WalletScene } from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';
import { Wallet } from '../src/wallet.ts';
import { Killed, Reaper, SceneRail } from './support/scene-rail.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';
const points = isLong ? 1000 : 100;
const seed = process.env['GRID_TEST_SEED'] ?? 'wallet';

/** Does it until it is done, as a program that is started again after each end. */
async function untilDone(
  scene: WalletScene,
  who: Actor,
  reaper: Reaper,
  work: (wallet: Wallet) => Promise<unknown>,
): Promise<void> {
  for (;;) {
    try {
      await work(new Wallet(new SceneRail(scene, who, reaper)));
      return;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      assertSums(scene);
    }
  }
}

/** Wherever a program ended nothing is lost, and nobody owes. */
function assertSums({ grid: { fold }, eve }: WalletScene): void {
  const balances = [...fold.moneyOf('balance')];
  assert.equal(
    balances.reduce((all, one) => all + BigInt(one.amount), 0n),
    0n,
  );
  // Only who issues the currency is below nothing.
  const owing = balances.filter(({ id, amount }) => BigInt(amount) < 0n && !id.startsWith(eve.id));
  assert.deepEqual(owing, []);
  for (const escrow of fold.moneyOf('escrow')) {
    assert.ok(fold.current('grid.lock.1', escrow.id) !== undefined, 'paid for a lock');
    assert.ok(heldBy(escrow) >= 0n);
  }
}

/**
 * A rent from the first coin to the last: once to its end, with half an hour that is not paid, once with a lock
 * that nothing comes of, and once with one that lapsed before it was paid for.
 */
async function story(scene: WalletScene, reaper: Reaper): Promise<void> {
  const { ada, bob } = scene;
  const does = (who: Actor, work: (wallet: Wallet) => Promise<unknown>) =>
    untilDone(scene, who, reaper, work);
  assert.equal(scene.offer(1), undefined);
  assert.equal(scene.offer(2), undefined);
  assert.equal(scene.offer(3), undefined);
  await does(ada, (wallet) => wallet.fund({ lock: fakeId.lock(1), amount: 2000n }));
  await does(ada, (wallet) => wallet.fund({ lock: fakeId.lock(2) }));
  await does(ada, (wallet) =>
    wallet.transfer({ key: 'tip', to: bob.id, amount: 7n, currency: 'EUR' }),
  );
  assert.equal(scene.settle(1, 1), undefined);
  for (const hour of [1, 2, 3]) {
    scene.at(hour);
    assert.equal(scene.receipt(1, hour - 1, hour), undefined);
    scene.presence(hour - 1, hour);
    await does(bob, (wallet) => wallet.settle());
    await does(ada, (wallet) => wallet.settle());
  }
  const late = does(ada, (wallet) => wallet.fund({ lock: fakeId.lock(3) }));
  await assert.rejects(late, /ESCROW_LATE/);
  const seconds = { lock: fakeId.lock(1), fromMs: scene.hour(2.5), toMs: scene.hour(3) };
  let id = '';
  await does(ada, async (wallet) => void (id = await wallet.object(seconds)));
  await does(bob, (wallet) => wallet.decide({ lock: seconds.lock, id, says: 'refund' }));
  assert.equal(scene.settle(2), undefined);
  scene.at(6);
  await does(ada, (wallet) => wallet.settle());
  await does(bob, (wallet) => wallet.settle());
}

function assertBooks(scene: WalletScene): void {
  const { fold } = scene.grid;
  assertSums(scene);
  for (const escrow of fold.moneyOf('escrow')) assert.equal(heldBy(escrow), 0n);
  const { ada, bob } = scene;
  // Two and a half hours of ten seconds a unit, and the tip; each once.
  assert.equal(scene.balance(bob.id), 900n + 7n);
  assert.equal(scene.balance(ada.id), 10_000n - 900n - 7n);
  assert.equal(fold.current('grid.refund.1', fakeId.lock(2))?.lock, fakeId.lock(2));
  const urls = fold.entries().map(({ url }) => recordTypes.get(url)?.url);
  assert.equal(urls.filter((url) => url === 'grid.escrow.1').length, 2);
}

test(`a wallet that is killed at any of ${points} points pays once, for locks only, and gets the rest back`, async (t) => {
  const calm = new Reaper();
  const first = new WalletScene();
  let steps = 0;
  calm.left = Infinity;
  calm.step = () => void steps++;
  await story(first, calm);
  assertBooks(first);
  assert.ok(steps > 30, `${steps} steps`);
  const random = seededRandom(seed);
  const reaper = new Reaper();
  for (let n = 0; n < points; n++) {
    const scene = new WalletScene();
    await run(scene, reaper, random, n % steps);
    assertBooks(scene);
  }
  assert.ok(reaper.kills >= points, `${reaper.kills} kills`);
  t.diagnostic(`${reaper.kills} kills, at each of ${steps} steps and at random ones after it`);
});

/** One kill at a given step, and more at random ones. */
async function run(
  scene: WalletScene,
  reaper: Reaper,
  random: Random,
  step: number,
): Promise<void> {
  reaper.left = step + 1;
  const rearm = reaper.step.bind(reaper);
  const restless = Object.assign(new Reaper(), {
    losesAnswer: () => random.int(0, 10) === 0,
    step: () => {
      if (reaper.left === Infinity && random.int(0, 20) === 0) reaper.left = random.int(1, 6);
      rearm();
    },
  });
  await story(scene, restless);
}
