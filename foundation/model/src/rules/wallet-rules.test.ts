import { deepEqual, equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fakeId } from '../testing/ids.ts';
import { WalletScene } from '../testing/wallet-scene.ts';

suite('judgeWallet: an escrow', () => {
  test('is paid out by receipts and presence, and the rest goes back', () => {
    const scene = new WalletScene();
    equal(scene.rent(), undefined);
    equal(scene.balance(scene.ada.id), 8000n);
    equal(scene.balance(fakeId.lock(1)), 2000n);
    scene.at(2);
    equal(scene.receipt(1, 0, 1), undefined);
    equal(scene.receipt(1, 1, 2, 1800), undefined);
    scene.presence(0, 2, [0.5, 0.75]);
    equal(scene.release(1, 1.5), 'RELEASE_EARLY');
    scene.at(3);
    equal(scene.release(1, 2), undefined);
    // 3600 s less a quarter of an hour of absence, and 1800 s of health.
    equal(scene.balance(scene.bob.id), 450n);
    equal(scene.settle(2), undefined);
    equal(scene.refund(1, scene.ada.device), 'REFUND_EARLY');
    scene.at(6);
    equal(scene.refund(1, scene.ada.device), undefined);
    deepEqual(
      [scene.ada.id, scene.bob.id, fakeId.lock(1), scene.eve.id].map((one) => scene.balance(one)),
      [9550n, 450n, 0n, -10_000n],
    );
    equal(scene.refund(1, scene.ada.device), 'REFUND_CLOSED');
  });
});
