import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import type { GridFold, WalletState } from '@commongrid/model';
import { fakeId, WalletScene } from '@commongrid/model/testing';

import { requireMoney } from './money.ts';

type Fold = Pick<GridFold, 'entries' | 'moneyOf' | 'objects'>;

/** A place that is rented. */
function rented(): WalletScene {
  const scene = new WalletScene();
  assert.equal(scene.rent(1, 1_000), undefined);
  return scene;
}

/** The same, and two hours of it were paid. */
function paid(): WalletScene {
  const scene = rented();
  scene.at(2);
  scene.receipt(1, 0, 2);
  scene.presence(0, 2);
  scene.at(3);
  assert.equal(scene.release(1, 2), undefined);
  return scene;
}

/** What is read of a fold, with a part of it bent. */
function bent(fold: GridFold, change: Partial<Fold>): Fold {
  return {
    entries: () => fold.entries(),
    moneyOf: (kind) => fold.moneyOf(kind),
    objects: (url) => fold.objects(url),
    ...change,
  };
}

/** A fold whose entries are as a test wants them. */
function withEntries(fold: GridFold, change: (all: Entries) => Entries): Fold {
  return bent(fold, { entries: () => change(fold.entries()) });
}

/** States of money, each as a test wants it. */
function withMoney(fold: GridFold, change: (one: WalletState) => WalletState): Fold['moneyOf'] {
  return function* (kind: WalletState['kind']): Generator<WalletState> {
    for (const one of fold.moneyOf(kind)) yield change(one);
  } as Fold['moneyOf'];
}

type Entries = ReturnType<GridFold['entries']>;

suite('requireMoney', () => {
  test('finds all money of a place that is rented', () => {
    const { grid } = rented();
    const { issued, held, escrows } = requireMoney(grid.fold);
    assert.deepEqual({ issued, held, escrows }, { issued: 10_000n, held: 1_000n, escrows: 1 });
  });

  test('finds all money again once some of it was paid, and the rest given back', () => {
    const scene = paid();
    const { held } = requireMoney(scene.grid.fold);
    assert.deepEqual([held, scene.held(1)], [280n, 280n]);
    scene.settle(2);
    scene.at(6);
    assert.equal(scene.refund(1, scene.ada.device), undefined);
    assert.equal(requireMoney(scene.grid.fold).held, 0n);
  });

  test('misses money that an entry makes', () => {
    const { grid } = rented();
    const more = withEntries(grid.fold, (all) =>
      all.map((entry, at) => {
        if (at > 0) return entry;
        const [first, ...rest] = entry.postings;
        return first === undefined
          ? entry
          : { ...entry, postings: [{ ...first, amount: first.amount + 1n }, ...rest] };
      }),
    );
    assert.throws(() => requireMoney(more), /record \d+ moves 1 EUR more than it takes/);
  });

  test('finds an escrow that was funded twice', () => {
    const { grid } = rented();
    const twice = withEntries(grid.fold, (all) => {
      const funding = all.filter(({ url }) => url === 'grid.escrow.1');
      return [...all, ...funding];
    });
    assert.throws(() => requireMoney(twice), /and its balance says/);
    const { fold } = grid;
    const moneyOf = withMoney(fold, (one) => {
      if (one.kind === 'escrow') return { ...one, funded: '2000' };
      if (one.kind !== 'balance') return one;
      const isLocks = one.id.startsWith(fakeId.lock(1));
      if (isLocks) return { ...one, amount: '2000' };
      return one.amount === '9000' ? { ...one, amount: '8000' } : one;
    });
    const agreeing = bent(fold, { entries: twice.entries, moneyOf });
    assert.throws(() => requireMoney(agreeing), /was funded 2 times/);
  });

  test('finds an escrow that paid more than its seconds come to', () => {
    const { fold } = paid().grid;
    const moneyOf = withMoney(fold, (one) => {
      return one.kind === 'escrow' ? { ...one, paidSeconds: one.paidSeconds - 10 } : one;
    });
    const fewer = bent(fold, { moneyOf });
    assert.throws(() => requireMoney(fewer), /paid \d+ for \d+ s, which come to \d+/);
  });

  test('finds an account below zero that is none of an issuer', () => {
    const { grid } = rented();
    const nobody = bent(grid.fold, {
      objects: ((url) =>
        url === 'grid.currency.1' ? [] : grid.fold.objects(url)) as Fold['objects'],
    });
    assert.throws(() => requireMoney(nobody), /EUR has -10000/);
  });
});
