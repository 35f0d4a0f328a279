import { deepEqual, equal, ok } from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '@commongrid/base';
import type { AccountId } from '../fields.ts';
import { foldOf } from '../testing/folded-grid.ts';
import { fakeId } from '../testing/ids.ts';
import { WalletScene } from '../testing/wallet-scene.ts';
import { conditionHash } from './wallet-transfers.ts';
import type { GridFold } from './grid-fold.ts';
import { heldBy } from './wallet-state.ts';

const isLong = process.env['GRID_TEST_LONG'] === '1';
/** Most rounds until every kind of deed came about. */
const roundsMax = 10;
/** The same plays each time, but for long runs. */
const seedText = process.env['GRID_TEST_SEED'] ?? (isLong ? String(Date.now()) : 'money');
const seed = seededRandom(seedText).int(0, 2 ** 31 - roundsMax);
const numRuns = isLong ? 2000 : 40;

/** What somebody does: a kind and numbers that say with what. */
type Deed = readonly [kind: (typeof kinds)[number], a: number, b: number, c: number];

const kinds = [
  ...['wait', 'wait', 'presence', 'receipt', 'receipt', 'offer', 'fund', 'place', 'place'],
  ...[
    'fund',
    'release',
    'release',
    'refund',
    'object',
    'decide',
    'send',
    'promise',
    'settle',
    'issue',
    'leap',
  ],
] as const;

const deeds: fc.Arbitrary<readonly Deed[]> = fc.array(
  fc.tuple(fc.constantFrom(...kinds), fc.nat(99), fc.nat(99), fc.nat(99)),
  { minLength: 20, maxLength: 120 },
);

/** Honest and hostile people act on one scene; what they do may be refused, never break the books. */
class Play {
  readonly scene = new WalletScene();
  readonly taken = new Set<string>();
  #revision = 0;
  /** The newest lock, and the one that is placed. */
  #offered = 0;
  #placed = 0;
  #seenTo = 0;
  #toldTo = 0;
  #transfers = 1000;

  constructor() {
    this.#revision = 1;
    this.#offered = 1;
    this.#placed = 1;
    equal(this.scene.rent(1, 1500, 1), undefined);
  }

  do([kind, a, b, c]: Deed): void {
    const code = this.#act(kind, a, b, c);
    if (code === undefined) this.taken.add(kind);
  }

  /** Hours since the start, by log time. */
  get #now(): number {
    return (this.scene.grid.at - this.scene.start) / 3_600_000;
  }

  #act(kind: string, a: number, b: number, c: number): string | undefined {
    const { scene } = this;
    const people = [scene.ada, scene.bob, scene.dan, scene.eve] as const;
    const who = people[a % 4] ?? scene.ada;
    const other = people[b % 4] ?? scene.bob;
    const lock = a % 5 === 0 ? b % (this.#offered + 1) : this.#placed;
    const now = this.#now;
    switch (kind) {
      case 'wait':
        scene.at(now + a / 50);
        return undefined;
      case 'leap':
        scene.at(now + a / 5);
        return undefined;
      case 'presence': {
        const from = this.#seenTo;
        if (now <= from) return 'nothing to tell';
        const middle = (from + now) / 2;
        const gap = a % 2 === 0 ? ([middle, (middle + now) / 2] as const) : undefined;
        this.#seenTo = now;
        return scene.presence(from, now, gap);
      }
      case 'receipt': {
        const from = Math.max(0, this.#toldTo - (c % 10 === 0 ? 1 : 0));
        const told = scene.receipt(lock, from, now, Math.floor((now - from) * 36 * b));
        if (told === undefined) this.#toldTo = now;
        return told;
      }
      case 'offer':
        return this.#offer(a, b);
      case 'fund':
        return scene.fund(this.#offered, b * 20, {}, c % 7 === 0 ? who.device : scene.ada.device);
      case 'place': {
        const done = scene.settle(this.#revision + 1, b % 4 === 0 ? undefined : this.#offered);
        if (done !== undefined) return done;
        this.#revision++;
        if (b % 4 !== 0) this.#placed = this.#offered;
        return undefined;
      }
      case 'release':
        return scene.release(lock, now - b / 50, c % 7 === 0 ? who.device : scene.bob.device);
      case 'refund':
        return scene.refund(lock, who.device);
      case 'object':
        return scene.object(
          lock,
          b % 2 === 0 ? scene.ada : who,
          [now - 0.5, now - c / 400],
          'object',
          {
            id: fakeId.hex16(b % 3),
          },
        );
      case 'decide':
        return this.#decide(lock, b, c);
      case 'send':
        return scene.send(who, other.id, c * 90, { id: fakeId.transfer(b) });
      case 'promise':
        return this.#promise(who.id, other.id, c);
      case 'settle': {
        const shown = b % 2 === 0 ? {} : { preimage: fakeId.hash(c % 3) };
        const value = { transfer: fakeId.transfer(1000 + (a % 8)), ...shown };
        return scene.grid.put('grid.settlement.1', who.device, value).code;
      }
      default:
        return scene.issue(who, b % 2 === 0 ? 'EUR' : 'TFT', b % 3 === 0 ? undefined : c * 1000);
    }
  }

  #offer(a: number, b: number): string | undefined {
    const code = this.scene.offer(this.#offered + 1, {
      ...(a % 3 === 0 ? { onDispute: 'pay' } : {}),
      ...(b % 3 === 0 ? { disputeMs: 0 } : {}),
    });
    if (code === undefined) this.#offered++;
    return code;
  }

  #promise(from: AccountId, to: AccountId, n: number): string | undefined {
    const { scene } = this;
    const payer = [scene.ada, scene.bob, scene.dan, scene.eve].find(({ id }) => id === from);
    const condition = {
      hash: conditionHash(fakeId.hash(n % 3)) as ReturnType<typeof fakeId.hash>,
      untilMs: scene.grid.at + n * 60_000,
    };
    const id = fakeId.transfer(this.#transfers);
    const code = scene.send(payer ?? scene.ada, to, n * 10, { id, condition });
    if (code === undefined) this.#transfers++;
    return code;
  }

  /** Somebody says his word on an objection that is there. */
  #decide(lock: number, b: number, c: number): string | undefined {
    const { scene } = this;
    const state = scene.grid.fold.money('escrow', fakeId.lock(lock));
    const one = state?.objections[b % 3];
    if (one === undefined) return 'nothing to decide';
    const party = [scene.ada, scene.bob, scene.dan, scene.eve][b % 4] ?? scene.dan;
    const change = { id: one.id, fromMs: one.span[0], toMs: one.span[1] };
    return scene.object(lock, party, [0, 0], c % 2 === 0 ? 'pay' : 'refund', change);
  }

  /** The books, and what was paid held against receipts and presence by a plain count. */
  check(): void {
    const { fold } = this.scene.grid;
    const sums = new Map<string, bigint>();
    for (const { id, amount } of fold.moneyOf('balance')) {
      const [account = '', currency = ''] = id.split(' ');
      sums.set(currency, (sums.get(currency) ?? 0n) + BigInt(amount));
      const issuer = fold.current('grid.currency.1', currency)?.issuer;
      ok(BigInt(amount) >= 0n || account === issuer, `${id} has ${amount}`);
    }
    for (const [currency, sum] of sums) equal(sum, 0n, currency);
    for (const escrow of fold.moneyOf('escrow')) {
      const { id, funded, released, refunded } = escrow;
      const held = heldBy(escrow);
      ok(held >= 0n && BigInt(released) >= 0n && BigInt(refunded) >= 0n, id);
      equal(BigInt(funded), BigInt(released) + BigInt(refunded) + held, id);
      equal(this.scene.balance(id), held, id);
      ok(BigInt(released) * 10n <= BigInt(this.#workedSeconds(id)), `${id} was paid ${released}`);
      if (escrow.isClosed === true) equal(held, 0n, id);
    }
    for (const hold of fold.moneyOf('hold')) {
      const expected = hold.outcome === undefined ? BigInt(hold.amount) : 0n;
      equal(this.scene.balance(hold.id), expected, hold.id);
    }
    for (const { postings } of fold.entries()) {
      equal(
        postings.reduce((sum, { amount }) => sum + amount, 0n),
        0n,
      );
    }
  }

  /** Seconds for which receipts of a lock say healthy while the node was seen, each counted once. */
  #workedSeconds(lock: string): number {
    const { grid } = this.scene;
    const seen = new Set<number>();
    const told = new Set<number>();
    const stepMs = 1000;
    for (const { seq, url, value } of grid.records) {
      if (grid.fold.refusals.has(seq)) continue;
      const span = value as { fromMs: number; toMs: number; lock?: string; gaps?: Gap[] };
      const isPresence = url === 'grid.presence.1';
      if (!isPresence && (url !== 'grid.receipt.1' || span.lock !== lock)) continue;
      for (let at = span.fromMs; at < span.toMs; at += stepMs) {
        const second = Math.floor((at - this.scene.start) / stepMs);
        const isAbsent = span.gaps?.some((gap) => gap.fromMs <= at && at + stepMs <= gap.toMs);
        if (isPresence && isAbsent !== true) seen.add(second);
        if (!isPresence) told.add(second);
      }
    }
    // Spans begin and end inside of seconds; each receipt can share two of them with others.
    return [...told].filter((second) => seen.has(second)).length + 2;
  }
}

interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

function stateOf(fold: GridFold) {
  const kindsOf = ['balance', 'escrow', 'hold', 'spending', 'room', 'offer', 'attendance'] as const;
  return kindsOf.map((kind) =>
    [...fold.moneyOf(kind)].toSorted((one, two) => (one.id < two.id ? -1 : 1)),
  );
}

suite('rules of money', () => {
  test('keep the books whatever people try, and come to the same in any order of arrival', () => {
    const taken = new Set<string>();
    const random = fc.tuple(deeds, fc.infiniteStream(fc.nat(1000)));
    const missing = () => new Set(kinds).difference(taken);
    // A round that has not met everything is followed by another.
    for (let round = 0; round < roundsMax && missing().size > 0; round++) {
      fc.assert(
        fc.property(random, ([all, numbers]) => {
          const play = new Play();
          for (const deed of all) play.do(deed);
          play.check();
          for (const kind of play.taken) taken.add(kind);
          const { records, fold } = play.scene.grid;
          const mixed = records
            .map((record) => ({ record, n: Number(numbers.next().value) }))
            .toSorted((one, two) => one.n - two.n)
            .map(({ record }) => record);
          const again = foldOf({ releaseKeys: [fakeId.key(900)] });
          const half = mixed.length / 2;
          again.add(mixed.slice(half));
          again.add(mixed);
          deepEqual(new Map(again.refusals), new Map(fold.refusals));
          deepEqual(stateOf(again), stateOf(fold));
          deepEqual(again.entries(), fold.entries());
        }),
        { numRuns, seed: seed + round },
      );
    }
    deepEqual(missing(), new Set(), 'each deed came about at least once');
  });
});
