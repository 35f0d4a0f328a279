import { equal } from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { GridCode, WalletCode } from '../errors.ts';
import type { Account } from '../records/account.ts';
import type { Allowance } from '../records/allowance.ts';
import type { Transfer } from '../records/transfer.ts';
import { examples } from '../testing/examples.ts';
import { fakeId } from '../testing/ids.ts';
import type { Actor } from '../testing/story.ts';
import { WalletScene } from '../testing/wallet-scene.ts';
import { consentSubject } from './wallet-accounts.ts';
import { objectionsMax, receiptsWaitingMax } from './wallet-state.ts';
import { conditionHash } from './wallet-transfers.ts';

const preimage = fakeId.hash(77);
const shared = fakeId.account(1);

function account(scene: WalletScene, author: Actor, change: Partial<Account> = {}) {
  const value: Account = {
    ...{ id: shared, name: 'Board', revision: 1, min: 2 },
    signers: [scene.ada.id, scene.bob.id, scene.dan.id],
    ...change,
  };
  return scene.grid.put('grid.account.1', author.device, value).code;
}

function consent(scene: WalletScene, signer: Actor, value: unknown, url = 'grid.transfer.1') {
  const subject = consentSubject({ log: scene.grid.log, url, value });
  const expMs = scene.grid.at + 1000;
  const yes = { subject, account: shared, by: signer.id, expMs };
  return scene.grid.put('grid.consent.1', signer.device, yes).code;
}

/** A payment of the shared account that ada appends. */
function payment(scene: WalletScene, change: Partial<Transfer> = {}): Transfer {
  const parties = { from: shared, to: scene.eve.id, currency: 'EUR' };
  const rest = { amount: fakeId.amount(10), expMs: scene.grid.at + 1000 };
  return { id: fakeId.transfer(900), ...parties, ...rest, ...change };
}

function allow(scene: WalletScene, author: Actor, change: Partial<Allowance> = {}) {
  const value: Allowance = {
    ...{ contract: scene.plan.id, from: scene.ada.id, currency: 'EUR' },
    ...{ perMonth: fakeId.amount(100), expMs: scene.hour(1000) },
    ...change,
  };
  return scene.grid.put('grid.allowance.1', author.device, value).code;
}

/** ada sends bob money that waits for a preimage. */
function promise(scene: WalletScene) {
  const condition = { hash: conditionHash(preimage) as never, untilMs: scene.hour(1) };
  return scene.send(scene.ada, scene.bob.id, 5, { id: fakeId.transfer(5), condition });
}

function settle(scene: WalletScene, shown?: string, n = 5) {
  const value = {
    transfer: fakeId.transfer(n),
    ...(shown === undefined ? {} : { preimage: shown }),
  };
  return scene.grid.put('grid.settlement.1', scene.dan.device, value).code;
}

/** Two hours of a place, told and seen; log time is the end of the second. */
function worked(scene = new WalletScene()): WalletScene {
  scene.rent();
  scene.at(2);
  scene.receipt(1, 0, 1);
  scene.receipt(1, 1, 2);
  scene.presence(0, 2);
  return scene;
}

/** By code, what is refused with it. All that comes before in a story is taken. */
const refused: { readonly [Code in WalletCode]: (scene: WalletScene) => string | undefined } = {
  ACCOUNT_CONSENT_MISSING: (scene) => {
    account(scene, scene.ada);
    scene.send(scene.ada, shared, 100);
    const value = payment(scene);
    // Consent to another amount is none.
    equal(consent(scene, scene.bob, payment(scene, { amount: fakeId.amount(9) })), undefined);
    return scene.grid.put('grid.transfer.1', scene.ada.device, value).code;
  },
  ACCOUNT_MIN: (scene) => account(scene, scene.ada, { min: 4 }),
  ACCOUNT_NOT_SIGNER: (scene) => account(scene, scene.eve),
  ACCOUNT_REVISION: (scene) => account(scene, scene.ada, { revision: 2 }),
  ACCOUNT_SIGNER_UNKNOWN: (scene) =>
    account(scene, scene.ada, { signers: [scene.ada.id, fakeId.bot(9999)] }),
  ACCOUNT_UNKNOWN: (scene) => scene.send(scene.ada, shared, 1),
  ALLOWANCE_CONTRACT_UNKNOWN: (scene) => allow(scene, scene.ada, { contract: fakeId.contract(1) }),
  ALLOWANCE_MISSING: (scene) => {
    scene.offer(1);
    return scene.fund(1, 10, {}, scene.ada.controller);
  },
  ALLOWANCE_NOT_OWNER: (scene) => allow(scene, scene.bob),
  ALLOWANCE_SPENT: (scene) => {
    equal(allow(scene, scene.ada), undefined);
    scene.offer(1);
    scene.offer(2);
    equal(scene.fund(1, 60, {}, scene.ada.controller), undefined);
    return scene.fund(2, 41, {}, scene.ada.controller);
  },
  CONSENT_EXPIRED: (scene) => {
    account(scene, scene.ada);
    const subject = fakeId.hash(1);
    const yes = { subject, account: shared, by: scene.bob.id, expMs: scene.grid.at };
    return scene.grid.put('grid.consent.1', scene.bob.device, yes).code;
  },
  CURRENCY_FIXED: (scene) => scene.issue(scene.bob, 'EUR'),
  CURRENCY_SUPPLY: (scene) => scene.send(scene.eve, scene.ada.id, 990_001),
  CURRENCY_UNKNOWN: (scene) => scene.send(scene.ada, scene.bob.id, 1, { currency: 'XYZ' }),
  ESCROW_BUDGET: (scene) => {
    scene.offer(1);
    return scene.fund(1, 8001);
  },
  ESCROW_CONTRACT: (scene) => {
    scene.offer(1);
    return scene.fund(1, 10, { contract: fakeId.contract(1) });
  },
  ESCROW_CURRENCY: (scene) => {
    scene.offer(1);
    return scene.fund(1, 10, { currency: 'TFT' });
  },
  ESCROW_ENDED: (scene) => {
    scene.grid.at = scene.plan.header.term.untilMs;
    scene.offer(1);
    return scene.fund(1, 10);
  },
  ESCROW_EXPIRED: (scene) => {
    scene.offer(1);
    return scene.fund(1, 10, { expMs: scene.grid.at });
  },
  ESCROW_FIXED: (scene) => {
    scene.offer(1);
    scene.fund(1, 10);
    return scene.fund(1, 11);
  },
  ESCROW_HALTED: (scene) => {
    scene.approve(scene.ada, { action: 'halt' });
    scene.offer(1);
    return scene.fund(1, 10);
  },
  ESCROW_LATE: (scene) => {
    scene.offer(1);
    scene.grid.at += 600_000;
    return scene.fund(1, 10);
  },
  ESCROW_LOCK_UNKNOWN: (scene) => scene.fund(1, 10),
  ESCROW_NOT_AGREED: () => {
    const scene = new WalletScene({ signers: [1, 2], min: 2 });
    scene.offer(1);
    return scene.fund(1, 10);
  },
  ESCROW_NOT_BUYER: (scene) => {
    scene.offer(1);
    return scene.fund(1, 10, { from: scene.eve.id }, scene.eve.device);
  },
  ESCROW_NOT_OWNER: (scene) => {
    scene.offer(1, { buyer: scene.eve.id });
    return scene.fund(1, 10, { from: scene.eve.id }, scene.eve.device);
  },
  ESCROW_SHORT: (scene) => {
    scene.offer(1);
    return scene.fund(1, 9);
  },
  FUNDS_SHORT: (scene) => scene.send(scene.ada, scene.bob.id, 10_001),
  OBJECTION_FIXED: (scene) => {
    worked(scene);
    scene.object(1, scene.ada, [1.2, 1.5]);
    return scene.object(1, scene.ada, [1.6, 1.7]);
  },
  OBJECTION_INTERVAL: (scene) => worked(scene).object(1, scene.ada, [1.5, 2.5]),
  OBJECTION_LATE: (scene) => worked(scene).object(1, scene.ada, [0.5, 1.5]),
  OBJECTION_MISMATCH: (scene) => worked(scene).object(1, scene.bob, [1.5, 2], 'pay'),
  OBJECTION_NOT_FUNDED: (scene) => {
    scene.offer(1);
    return scene.object(1, scene.ada, [0, 1]);
  },
  OBJECTION_NOT_PARTY: (scene) => worked(scene).object(1, scene.eve, [1.5, 2]),
  OBJECTION_SETTLED: (scene) => {
    worked(scene).object(1, scene.ada, [1.5, 2]);
    equal(scene.object(1, scene.dan, [1.5, 2], 'refund'), undefined);
    return scene.object(1, scene.bob, [1.5, 2], 'pay');
  },
  OBJECTION_TOO_MANY: (scene) => {
    worked(scene);
    const object = (n: number) =>
      scene.object(1, scene.ada, [1.5, 2], 'object', { id: fakeId.hex16(n) });
    for (let n = 0; n < objectionsMax; n++) equal(object(n), undefined);
    return object(objectionsMax);
  },
  REFUND_CLOSED: (scene) => {
    scene.offer(1);
    scene.fund(1, 10);
    equal(scene.refund(1, scene.bob.device), undefined);
    return scene.refund(1, scene.bob.device);
  },
  REFUND_DISPUTED: (scene) => {
    scene.offer(1, { disputeMs: 4 * 3_600_000 });
    scene.fund(1, 2000);
    scene.settle(1, 1);
    scene.at(2);
    scene.receipt(1, 0, 2);
    scene.settle(2);
    // Objected to in the last moment, it is open for as long again.
    scene.at(5.9);
    equal(scene.object(1, scene.ada, [1.95, 2]), undefined);
    scene.at(8);
    return scene.refund(1, scene.ada.device);
  },
  REFUND_EARLY: (scene) => worked(scene).refund(1, scene.ada.device),
  REFUND_NOTHING: (scene) => {
    scene.rent(1, 720);
    scene.at(2);
    scene.receipt(1, 0, 2);
    return scene.refund(1, scene.bob.device);
  },
  REFUND_NOT_FUNDED: (scene) => {
    scene.offer(1);
    return scene.refund(1, scene.ada.device);
  },
  REFUND_NOT_PARTY: (scene) => worked(scene).refund(1, scene.eve.device),
  RELEASE_CLOSED: (scene) => {
    scene.offer(1);
    scene.fund(1, 10);
    scene.refund(1, scene.bob.device);
    return scene.release(1, 0);
  },
  RELEASE_DISPUTED: (scene) => {
    worked(scene).object(1, scene.ada, [1.5, 2]);
    scene.at(2.9);
    equal(scene.release(1, 1), undefined);
    const next = worked();
    next.at(2.5);
    next.object(1, next.ada, [1.9, 2]);
    next.at(3.1);
    return next.release(1, 2);
  },
  RELEASE_EARLY: (scene) => worked(scene).release(1, 2),
  RELEASE_EXPIRED: (scene) => {
    worked(scene).at(3);
    const workload = fakeId.workload(scene.plan.id, 'shard', 0);
    const value = { lock: fakeId.lock(1), workload, toMs: scene.hour(1), expMs: scene.grid.at };
    return scene.grid.put('grid.release.1', scene.bob.device, value).code;
  },
  RELEASE_NOTHING: (scene) => worked(scene).release(1, 0.5),
  RELEASE_NOT_FARMER: (scene) => worked(scene).release(1, 1, scene.ada.device),
  RELEASE_NOT_FUNDED: (scene) => {
    scene.offer(1);
    return scene.release(1, 0);
  },
  RELEASE_REPLAYED: (scene) => {
    worked(scene).at(3);
    equal(scene.release(1, 2), undefined);
    return scene.release(1, 2);
  },
  RELEASE_WORKLOAD: (scene) => {
    worked(scene);
    const workload = fakeId.workload(scene.plan.id, 'shard', 1);
    const times = { toMs: scene.hour(1), expMs: scene.hour(9) };
    const value = { lock: fakeId.lock(1), workload, ...times };
    return scene.grid.put('grid.release.1', scene.bob.device, value).code;
  },
  SETTLEMENT_EARLY: (scene) => {
    promise(scene);
    return settle(scene);
  },
  SETTLEMENT_LATE: (scene) => {
    promise(scene);
    scene.at(1);
    return settle(scene, preimage);
  },
  SETTLEMENT_PREIMAGE: (scene) => {
    promise(scene);
    return settle(scene, fakeId.hash(78));
  },
  SETTLEMENT_SETTLED: (scene) => {
    promise(scene);
    equal(settle(scene, preimage), undefined);
    scene.at(1);
    return settle(scene);
  },
  SETTLEMENT_UNKNOWN: (scene) => {
    scene.send(scene.ada, scene.bob.id, 1, { id: fakeId.transfer(6) });
    return settle(scene, preimage, 6);
  },
  TRANSFER_CONDITION: (scene) => {
    const condition = { hash: fakeId.hash(1), untilMs: scene.grid.at };
    return scene.send(scene.ada, scene.bob.id, 1, { condition });
  },
  TRANSFER_EXPIRED: (scene) => scene.send(scene.ada, scene.bob.id, 1, { expMs: scene.grid.at }),
  TRANSFER_FIXED: (scene) => {
    const send = () => scene.send(scene.ada, scene.bob.id, 1, { id: fakeId.transfer(3) });
    equal(send(), undefined);
    return send();
  },
  TRANSFER_NOTHING: (scene) => scene.send(scene.ada, scene.bob.id, 0),
  TRANSFER_SELF: (scene) => scene.send(scene.ada, scene.ada.id, 1),
  WALLET_OBJECT_MISMATCH: ({ grid, ada }) =>
    grid.tell({
      ...{ url: 'grid.refund.1', obj: fakeId.lock(2), op: 'put' },
      ...{ author: ada.device, value: { lock: fakeId.lock(1) } },
    }).code,
  WALLET_PERMANENT: ({ grid, ada }) =>
    grid.put('grid.refund.1', ada.device, { lock: fakeId.lock(1) }, 'del').code,
  // Only a database meets such a type: see its tests.
  WALLET_TYPE_UNKNOWN: () => 'WALLET_TYPE_UNKNOWN',
};

suite('judgeWallet refuses', () => {
  for (const [code, story] of Object.entries(refused)) {
    test(code, () => {
      equal(story(new WalletScene()), code);
    });
  }
});

/** The same for places, locks and receipts, as far as they are about money. */
const refusedPlaces: { readonly [Code in GridCode]?: (scene: WalletScene) => string | undefined } =
  {
    ESCROW_EMPTY: (scene) => {
      scene.offer(1);
      scene.fund(1, 10);
      scene.refund(1, scene.bob.device);
      return scene.settle(1, 1);
    },
    ESCROW_MISSING: (scene) => {
      scene.offer(1);
      return scene.settle(1, 1);
    },
    LOCK_CAPACITY: (scene) => {
      const { resources } = scene.lockOf(1);
      const half = { ...resources, cpuMilli: 4001 };
      equal(scene.offer(1, { resources: half }), undefined);
      return scene.offer(2, { resources: half });
    },
    LOCK_ENDED: (scene) => {
      scene.rent();
      scene.settle(2);
      return scene.settle(3, 1);
    },
    LOCK_UNPAID: (scene) => {
      for (const n of [1, 2, 3]) {
        equal(scene.offer(n, { contract: fakeId.contract(n) }), undefined);
      }
      equal(scene.offer(4, { contract: fakeId.contract(3) }), undefined);
      return scene.offer(5, { contract: fakeId.contract(5) });
    },
    PLACEMENT_BUDGET: (scene) => {
      const price = { amount: fakeId.amount(2), currency: 'EUR', perSeconds: 10 };
      scene.offer(1, { price });
      scene.fund(1, 1000);
      return scene.settle(1, 1);
    },
    RECEIPT_AHEAD: (scene) => {
      scene.rent();
      return scene.receipt(1, 0, 1);
    },
    RECEIPT_LOCK: (scene) => {
      scene.rent();
      scene.at(1);
      return scene.receipt(2, 0, 1);
    },
    RECEIPT_OVERLAPS: (scene) => worked(scene).receipt(1, 1.9, 2),
    RECEIPT_TOO_MANY: (scene) => {
      scene.rent();
      scene.at(receiptsWaitingMax + 2);
      for (let n = 0; n < receiptsWaitingMax; n++) equal(scene.receipt(1, n, n + 1), undefined);
      return scene.receipt(1, receiptsWaitingMax, receiptsWaitingMax + 1);
    },
  };

suite('judgeGrid refuses', () => {
  for (const [code, story] of Object.entries(refusedPlaces)) {
    test(code, () => {
      equal(story(new WalletScene()), code);
    });
  }

  test('no other lock once one is paid for, lapsed or over', () => {
    const scene = new WalletScene();
    const resources = { ...examples['grid.lock.1'].resources, cpuMilli: 8000 };
    const offer = (n: number) => scene.offer(n, { resources });
    equal(offer(1), undefined);
    equal(offer(2), 'LOCK_CAPACITY');
    scene.grid.at += 600_000;
    equal(offer(3), undefined);
    scene.fund(3, 100);
    scene.grid.at += 600_000;
    equal(offer(4), 'LOCK_CAPACITY');
    scene.settle(1, 3);
    equal(offer(5), 'LOCK_CAPACITY');
    scene.settle(2);
    equal(offer(6), undefined);
    scene.fund(6, 100);
    equal(offer(7), 'LOCK_CAPACITY');
    scene.refund(6, scene.bob.device);
    equal(offer(8), undefined);
  });
});
