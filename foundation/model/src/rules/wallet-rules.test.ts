import { deepEqual, equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Hash } from '../fields.ts';
import { foldOf } from '../testing/folded-grid.ts';
import { fakeId } from '../testing/ids.ts';
import { botOf, keyEntry } from '../testing/story.ts';
import { WalletScene } from '../testing/wallet-scene.ts';
import { desiredOf } from './desired.ts';
import type { GridFold } from './grid-fold.ts';
import { verifySlice } from './verify-slice.ts';
import { consentSubject } from './wallet-accounts.ts';
import type { UntoldReceipt } from './wallet-metering.ts';
import { conditionHash } from './wallet-transfers.ts';

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

suite('judgeWallet: what an escrow pays', () => {
  test('is never more than it holds, however long the place goes on', () => {
    const scene = new WalletScene();
    scene.rent(1, 500);
    scene.at(2);
    scene.receipt(1, 0, 2);
    scene.presence(0, 2);
    scene.at(3);
    equal(scene.release(1, 2), undefined);
    deepEqual([scene.balance(scene.bob.id), scene.held(1)], [500n, 0n]);
    equal(scene.escrow(1).isClosed, true);
  });

  test('goes back to the account that paid', () => {
    const scene = new WalletScene();
    const { grid, ada, bob } = scene;
    const id = fakeId.account(1);
    const account = { id, name: 'Board', revision: 1, signers: [ada.id], min: 1 };
    equal(grid.put('grid.account.1', ada.device, account).code, undefined);
    scene.send(ada, id, 3000);
    scene.offer(1);
    equal(scene.fund(1, 2000, { from: id }), undefined);
    equal(scene.balance(id), 1000n);
    equal(scene.refund(1, bob.device), undefined);
    deepEqual([scene.balance(id), scene.balance(ada.id)], [3000n, 7000n]);
  });

  test('frees the farm for offers to the same buyer', () => {
    const scene = new WalletScene();
    for (const n of [1, 2]) scene.offer(n, { contract: fakeId.contract(n) });
    scene.offer(3);
    equal(scene.offer(4, { contract: fakeId.contract(4) }), 'LOCK_UNPAID');
    equal(scene.fund(3, 10), undefined);
    equal(scene.offer(4, { contract: fakeId.contract(4) }), undefined);
  });
});

suite('desiredOf, by money', () => {
  test('runs on while it is paid for, pauses after the grace, and runs again by another lock', () => {
    const term = { fromMs: 1_700_000_000_000, untilMs: 1_800_000_000_000, graceMs: 3_600_000 };
    const header = {
      budget: { currency: 'EUR', perMonth: fakeId.amount(600_000), total: fakeId.amount(8000) },
    };
    const scene = new WalletScene({ header: { ...header, term } });
    const workload = fakeId.workload(scene.plan.id, 'shard', 0);
    const desired = (hour: number) => {
      const at = scene.hour(hour);
      const now = { at, viewAgeSeconds: 0, isFirstStart: () => false, isLeaving: false };
      const one = desiredOf(scene.grid.fold, scene.bobsNode, now).get(workload);
      return one?.be === 'pause' ? one.code : one?.be;
    };
    // Money for two hours.
    scene.rent(1, 720);
    deepEqual([2.9, 3, 4].map(desired), ['run', 'ESCROW_EMPTY', 'ESCROW_EMPTY']);
    // Half of the first hour it was not healthy, which costs nothing.
    scene.at(1);
    scene.receipt(1, 0, 1, 1800);
    deepEqual([3.4, 3.5].map(desired), ['run', 'ESCROW_EMPTY']);
    scene.at(4);
    scene.offer(2);
    scene.fund(2, 720);
    equal(scene.settle(2, 2), undefined);
    equal(desired(4), 'run');
  });

  /** Money for two hours from now on, and an hour of grace. */
  function rentedForTwoHours() {
    const term = { fromMs: 1_700_000_000_000, untilMs: 1_800_000_000_000, graceMs: 3_600_000 };
    const budget = {
      ...{ currency: 'EUR', perMonth: fakeId.amount(600_000), total: fakeId.amount(8000) },
    };
    const scene = new WalletScene({ header: { budget, term } });
    const workload = fakeId.workload(scene.plan.id, 'shard', 0);
    scene.rent(1, 720);
    const desired = (hour: number, untold: readonly UntoldReceipt[] = []) => {
      const at = scene.hour(hour);
      const now = { at, viewAgeSeconds: 0, isFirstStart: () => false, isLeaving: false };
      const known = { ...now, untold: () => untold };
      return desiredOf(scene.grid.fold, scene.bobsNode, known).get(workload)?.be;
    };
    const receipt = (from: number, to: number, healthySeconds = (to - from) * 3600) => {
      return { fromMs: scene.hour(from), toMs: scene.hour(to), healthySeconds };
    };
    return { scene, desired, receipt };
  }

  test('goes by what a node counted and has not told', () => {
    const { scene, desired, receipt } = rentedForTwoHours();
    const half = receipt(0, 1, 1800);
    deepEqual(
      [desired(3.4), desired(3.4, [half]), desired(3.5, [half])],
      ['pause', 'run', 'pause'],
    );
    const all = [receipt(0, 1), receipt(1, 2), receipt(2, 3, 0), receipt(3, 20, 0)];
    deepEqual([desired(2.9, all), desired(3, all), desired(20, all)], ['run', 'pause', 'pause']);
    // One after the other is told, and read again some time after that.
    scene.at(20);
    deepEqual(
      [1, 2, 3, 4].map((told) => desired(20, all.slice(told))),
      Array(4).fill('pause'),
    );
    scene.receipt(1, 0, 1);
    deepEqual(
      [1, 2, 3, 4].map((told) => desired(20, all.slice(told))),
      Array(4).fill('pause'),
    );
    equal(desired(20, all), 'pause', 'the first of them is in the view');
    scene.receipt(1, 1, 2);
    deepEqual(
      [2, 3, 4].map((told) => desired(20, all.slice(told))),
      Array(3).fill('pause'),
    );
  });

  test('pauses for good what is used up, also when more receipts of nothing come', () => {
    const { scene, desired } = rentedForTwoHours();
    scene.at(10);
    scene.receipt(1, 0, 1);
    scene.receipt(1, 1, 2);
    equal(desired(10), 'pause');
    scene.receipt(1, 2, 9.5, 0);
    deepEqual([desired(10), desired(10.4)], ['pause', 'pause']);
    scene.presence(0, 10);
    scene.at(11);
    equal(scene.release(1, 9.5), undefined);
    equal(desired(11), 'pause');
  });
});

suite('judgeWallet: objections', () => {
  /** Two hours of a place, of which the buyer objects to the last half hour; at hour 2. */
  function disputed(onDispute: 'pay' | 'refund' = 'refund'): WalletScene {
    const scene = new WalletScene();
    scene.offer(1, { onDispute });
    scene.fund(1, 2000);
    scene.settle(1, 1);
    scene.at(2);
    scene.receipt(1, 0, 1);
    scene.receipt(1, 1, 2);
    scene.presence(0, 2);
    equal(scene.object(1, scene.ada, [1.5, 2]), undefined);
    return scene;
  }
  const paid = (scene: WalletScene): bigint => {
    scene.at(3.5);
    equal(scene.release(1, 2), undefined);
    return scene.balance(scene.bob.id);
  };

  test('are decided by two of buyer, farmer and arbiter', () => {
    const against = disputed();
    equal(against.object(1, against.dan, [1.5, 2], 'refund'), undefined);
    equal(paid(against), 540n);
    const taken = disputed();
    equal(taken.object(1, taken.bob, [1.5, 2], 'pay'), undefined);
    equal(taken.object(1, taken.dan, [1.5, 2], 'pay'), undefined);
    equal(taken.object(1, taken.ada, [1.5, 2], 'pay'), 'OBJECTION_SETTLED');
    equal(paid(taken), 720n);
    const settled = disputed('pay');
    equal(settled.object(1, settled.bob, [1.5, 2], 'refund'), undefined);
    equal(paid(settled), 540n);
  });

  test('outlive a release of what comes before them', () => {
    const scene = disputed();
    scene.object(1, scene.dan, [1.5, 2], 'refund');
    equal(scene.release(1, 1), undefined);
    equal(paid(scene), 540n);
  });

  test('that nobody decides in time end as the lock says', () => {
    equal(paid(disputed('pay')), 720n);
    equal(paid(disputed('refund')), 540n);
  });

  test('of the controller are as good as those of the buyer', () => {
    const scene = disputed('pay');
    const by = { ...scene.ada, device: scene.ada.controller };
    const change = { id: fakeId.hex16(2) };
    equal(scene.object(1, by, [1.25, 1.5], 'object', change), undefined);
    equal(scene.object(1, scene.dan, [1.25, 1.5], 'refund', change), undefined);
    equal(paid(scene), 630n);
  });
});

suite('judgeWallet: accounts and conditions', () => {
  test('signers of a shared account pay together, each once, and change it together', () => {
    const scene = new WalletScene();
    const { grid, ada, bob, dan, eve } = scene;
    const id = fakeId.account(1);
    const account = { id, name: 'Board', revision: 1, signers: [ada.id, bob.id, dan.id], min: 3 };
    equal(grid.put('grid.account.1', ada.device, account).code, undefined);
    equal(scene.send(ada, id, 100), undefined);
    const value = {
      ...{ id: fakeId.transfer(900), from: id, to: eve.id, currency: 'EUR' },
      ...{ amount: fakeId.amount(40), expMs: grid.at + 10_000 },
    };
    const consent = (who: typeof ada, of: unknown, url = 'grid.transfer.1') => {
      const subject = consentSubject({ log: grid.log, url, value: of });
      const yes = { subject, account: id, by: who.id, expMs: grid.at + 1000 };
      return grid.put('grid.consent.1', who.device, yes).code;
    };
    const pay = () => grid.put('grid.transfer.1', ada.device, value).code;
    equal(consent(ada, value), undefined);
    equal(consent(bob, value), undefined);
    equal(pay(), 'ACCOUNT_CONSENT_MISSING');
    grid.at += 1000;
    equal(consent(dan, value), undefined);
    equal(pay(), 'ACCOUNT_CONSENT_MISSING', 'that of bob has lapsed');
    equal(consent(bob, value), undefined);
    equal(pay(), undefined);
    equal(pay(), 'TRANSFER_FIXED');
    deepEqual([scene.balance(id), scene.balance(eve.id)], [60n, -9960n]);
    // A key that is called compromised takes its consent along.
    const next = { ...account, revision: 2, signers: [ada.id], min: 1 };
    equal(consent(bob, next, 'grid.account.1'), undefined);
    equal(consent(dan, next, 'grid.account.1'), undefined);
    const keys = [
      keyEntry(grid, dan.id, dan.device, 'device', 'compromised'),
      keyEntry(grid, dan.id, dan.controller, 'controller'),
    ];
    grid.put('grid.bot.1', dan.root, botOf(grid, dan, 'dan', { keys }));
    const change = () => grid.put('grid.account.1', ada.device, next).code;
    equal(change(), 'ACCOUNT_CONSENT_MISSING');
  });

  test('a consent serves once: who agreed to an allowance does not agree to it again', () => {
    const scene = new WalletScene();
    const { grid, plan, ada, bob } = scene;
    const id = fakeId.account(1);
    const account = { id, name: 'Board', revision: 1, signers: [ada.id, bob.id], min: 2 };
    equal(grid.put('grid.account.1', ada.device, account).code, undefined);
    const allowance = (perMonth: number) => ({
      ...{ contract: plan.id, from: id, currency: 'EUR', expMs: scene.hour(1000) },
      perMonth: fakeId.amount(perMonth),
    });
    const consent = (perMonth: number) => {
      const [url, value] = ['grid.allowance.1', allowance(perMonth)];
      const subject = consentSubject({ log: grid.log, url, value });
      const yes = { subject, account: id, by: bob.id, expMs: scene.hour(1000) };
      equal(grid.put('grid.consent.1', bob.device, yes).code, undefined);
    };
    const allow = (n: number) => grid.put('grid.allowance.1', ada.device, allowance(n)).code;
    consent(100);
    equal(allow(100), undefined);
    equal(allow(100), 'ACCOUNT_CONSENT_MISSING');
    consent(0);
    equal(allow(0), undefined);
    equal(allow(100), 'ACCOUNT_CONSENT_MISSING', 'what was taken back stays so');
    consent(100);
    equal(allow(100), undefined);
  });

  test('a transfer with a condition goes to who shows the preimage, or back', () => {
    const scene = new WalletScene();
    const { grid, ada, bob, eve } = scene;
    const preimage = fakeId.hash(5);
    const condition = { hash: conditionHash(preimage) as Hash, untilMs: scene.hour(1) };
    for (const n of [1, 2]) {
      equal(scene.send(ada, bob.id, 10, { id: fakeId.transfer(n), condition }), undefined);
    }
    deepEqual([scene.balance(ada.id), scene.balance(fakeId.transfer(1))], [9980n, 10n]);
    const settle = (n: number, shown: object = {}) =>
      grid.put('grid.settlement.1', eve.device, { transfer: fakeId.transfer(n), ...shown }).code;
    equal(settle(1, { preimage }), undefined);
    scene.at(1);
    equal(settle(2), undefined);
    deepEqual([scene.balance(ada.id), scene.balance(bob.id)], [9990n, 10n]);
  });

  test('an issuer promises a limit, lowers it, and never raises it', () => {
    const scene = new WalletScene();
    const { eve } = scene;
    equal(scene.issue(eve, 'EUR', 1_000_001), 'CURRENCY_SUPPLY');
    equal(scene.issue(eve, 'EUR'), 'CURRENCY_SUPPLY');
    equal(scene.issue(eve, 'EUR', 9999), 'CURRENCY_SUPPLY');
    equal(scene.issue(eve, 'EUR', 10_000), undefined);
    equal(scene.send(eve, scene.bob.id, 1), 'CURRENCY_SUPPLY');
    equal(scene.send(scene.ada, eve.id, 1), undefined);
    equal(scene.send(eve, scene.bob.id, 1), undefined);
  });
});

suite('judgeWallet: what a farmer gives back', () => {
  test('is never what he earned, and what he never earned goes back once the buyer asks', () => {
    const scene = new WalletScene();
    scene.rent(1, 2000);
    scene.at(1);
    scene.receipt(1, 0, 1);
    scene.presence(0, 1);
    equal(scene.refund(1, scene.bob.device), undefined);
    deepEqual([scene.balance(scene.ada.id), scene.held(1)], [9640n, 360n]);
    scene.at(2);
    equal(scene.release(1, 1), undefined);
    deepEqual([scene.balance(scene.bob.id), scene.held(1)], [360n, 0n]);
    // Paid for and never placed.
    scene.offer(2);
    scene.fund(2, 100);
    equal(scene.refund(2, scene.ada.device), 'REFUND_EARLY');
    scene.grid.at += 600_000;
    equal(scene.refund(2, scene.ada.device), undefined);
    equal(scene.balance(scene.ada.id), 9640n);
    equal(scene.settle(2, 2), 'ESCROW_EMPTY');
  });
});

suite('judgeWallet, for a node that is told what concerns it', () => {
  /** A rent as bob's node hears of it: no currencies, no transfers, nothing of what people have. */
  function told(scene: WalletScene, author = scene.ada.device): GridFold {
    scene.rent(1, 2000);
    const records = scene.grid.records.map((one) =>
      one.url === 'grid.escrow.1' ? { ...one, author } : one,
    );
    const unheard = new Set(['grid.currency.1', 'grid.transfer.1']);
    const fold = foldOf({ reader: scene.bobsNode });
    fold.add(records.filter(({ url }) => !unheard.has(url)));
    return fold;
  }
  const judge = (scene: WalletScene, fold: GridFold) => {
    const now = { at: scene.grid.at, viewAgeSeconds: 0, isFirstStart: true };
    return verifySlice(fold, scene.plan.slice(0, scene.bobsNode, 1), now).code;
  };

  test('takes an escrow without knowing what the buyer has', () => {
    const scene = new WalletScene();
    const fold = told(scene);
    deepEqual([...fold.refusals], []);
    equal(judge(scene, fold), undefined);
  });

  test('starts nothing for an escrow that the buyer did not sign', () => {
    const scene = new WalletScene();
    const fold = told(scene, scene.eve.device);
    deepEqual(new Set(fold.refusals.values()), new Set(['ACCOUNT_NOT_SIGNER', 'ESCROW_MISSING']));
    equal(judge(scene, fold), 'SLICE_NOT_PLACED');
  });
});
