import type { AccountId, LockId, NodeId } from '../fields.ts';
import type { Escrow } from '../records/escrow.ts';
import type { Lock } from '../records/lock.ts';
import type { Objection } from '../records/objection.ts';
import type { Transfer } from '../records/transfer.ts';
import { balanceOf } from '../rules/wallet-ledger.ts';
import { heldBy } from '../rules/wallet-state.ts';
import type { EscrowState, HolderId } from '../rules/wallet-state.ts';
import { examples } from './examples.ts';
import { fakeId } from './ids.ts';
import { Scene } from './scene.ts';
import type { SceneOptions } from './scene.ts';
import type { Actor } from './story.ts';

const hourMs = 3_600_000;

const richBudget = {
  currency: 'EUR',
  perMonth: fakeId.amount(300_000),
  total: fakeId.amount(8000),
};

/**
 * A grid with money: eve issues EUR, of which ada has some; bob sells room on his node to ada's contract,
 * and dan arbitrates. Time of a place is counted in hours from `start`, its log time.
 */
export class WalletScene extends Scene {
  /** Log time at which the grid begins. */
  readonly start: number;
  #session = 0;

  constructor(options: SceneOptions & { readonly funds?: number } = {}) {
    const { funds = 10_000, header } = options;
    super({ ...options, header: { budget: richBudget, ...header } });
    this.start = this.grid.at;
    this.issue(this.eve, 'EUR', 1_000_000);
    this.send(this.eve, this.ada.id, funds);
    this.begin();
  }

  issue(issuer: Actor, code: string, maxSupply?: number, account: AccountId = issuer.id) {
    const limit = maxSupply === undefined ? {} : { maxSupply: fakeId.amount(maxSupply) };
    const value = { code, name: code, decimals: 2, issuer: account, ...limit };
    return this.grid.put('grid.currency.1', issuer.device, value).code;
  }

  send(from: Actor, to: AccountId, amount: number, change: Partial<Transfer> = {}) {
    const value = {
      ...{ id: fakeId.transfer(this.grid.records.length), from: from.id, to, currency: 'EUR' },
      ...{ amount: fakeId.amount(amount), expMs: this.grid.at + hourMs },
      ...change,
    };
    return this.grid.put('grid.transfer.1', from.device, value).code;
  }

  /** A lock of bob for replica 0 on his node: one unit for ten seconds, an hour for disputes. */
  offer(n: number, change: Partial<Lock> = {}) {
    const value = { ...this.lockOf(n), ...change };
    return this.grid.put('grid.lock.1', this.bob.device, value).code;
  }

  lockOf(n: number): Lock {
    return {
      ...examples['grid.lock.1'],
      ...{ id: fakeId.lock(n), contract: this.plan.id, node: this.bobsNode },
      ...{ farmer: this.bob.id, buyer: this.ada.id, arbiter: this.dan.id },
      price: { amount: fakeId.amount(1), currency: 'EUR', perSeconds: 10 },
      ...{ minFund: fakeId.amount(10), disputeMs: hourMs, onDispute: 'refund' },
      expiresMs: this.grid.at + 600_000,
    };
  }

  fund(n: number, amount: number, change: Partial<Escrow> = {}, author = this.ada.device) {
    const value = {
      ...{ lock: fakeId.lock(n), contract: this.plan.id, from: this.ada.id, currency: 'EUR' },
      ...{ amount: fakeId.amount(amount), expMs: this.grid.at + hourMs },
      ...change,
    };
    return this.grid.put('grid.escrow.1', author, value).code;
  }

  /** Replica 0 goes onto bob's node by a lock, or away without one. */
  settle(revision: number, n?: number, node: NodeId = this.bobsNode) {
    if (n === undefined) return this.place(revision, []);
    this.slice(0, node, revision);
    const lock: LockId = fakeId.lock(n);
    const items = this.plan.placement(revision, [node]).items.map((item) => ({ ...item, lock }));
    return this.place(revision, [], { items });
  }

  /** Offered, funded and placed; money comes first. */
  rent(n = 1, amount = 2000, revision = 1) {
    return this.offer(n) ?? this.fund(n, amount) ?? this.settle(revision, n);
  }

  /** The node tells of hours of the place, counted from `start`. */
  receipt(n: number, fromHour: number, toHour: number, healthySeconds?: number) {
    const seconds = Math.round((toHour - fromHour) * 3600);
    const value = {
      ...examples['grid.receipt.1'],
      ...{ node: this.bobsNode, lock: fakeId.lock(n), session: 1 },
      workload: fakeId.workload(this.plan.id, 'shard', 0),
      ...{ fromMs: this.hour(fromHour), toMs: this.hour(toHour) },
      healthySeconds: healthySeconds ?? seconds,
    };
    const key = this.bobsNode.replace('node:', 'ed25519:');
    return this.grid.put('grid.receipt.1', key, value).code;
  }

  /** Heartbeats of bob's node came in, but for the gap. */
  presence(fromHour: number, toHour: number, gap?: readonly [number, number]) {
    const gaps = gap === undefined ? [] : [{ fromMs: this.hour(gap[0]), toMs: this.hour(gap[1]) }];
    const value = {
      ...{ node: this.bobsNode, session: ++this.#session, gaps },
      ...{ fromMs: this.hour(fromHour), toMs: this.hour(toHour) },
    };
    return this.grid.put('grid.presence.1', fakeId.key(999), value).code;
  }

  release(n: number, toHour: number, author = this.bob.device) {
    const value = {
      ...{ lock: fakeId.lock(n), workload: fakeId.workload(this.plan.id, 'shard', 0) },
      ...{ toMs: this.hour(toHour), expMs: this.grid.at + hourMs },
    };
    return this.grid.put('grid.release.1', author, value).code;
  }

  refund(n: number, author: string) {
    return this.grid.put('grid.refund.1', author, { lock: fakeId.lock(n) }).code;
  }

  object(
    n: number,
    who: Actor,
    span: readonly [number, number],
    says: Objection['says'] = 'object',
    change: Partial<Objection> = {},
  ) {
    const value = {
      ...{ id: fakeId.hex16(1), lock: fakeId.lock(n), by: who.id, says },
      workload: fakeId.workload(this.plan.id, 'shard', 0),
      ...{ fromMs: this.hour(span[0]), toMs: this.hour(span[1]) },
      ...change,
    };
    return this.grid.put('grid.objection.1', who.device, value).code;
  }

  /** Log time so many hours after the start. */
  hour(n: number): number {
    return this.start + Math.round(n * hourMs);
  }

  /** Moves log time. */
  at(hour: number): this {
    this.grid.at = this.hour(hour);
    return this;
  }

  balance(account: HolderId, currency = 'EUR'): bigint {
    return balanceOf(this.grid.fold, account, currency);
  }

  escrow(n: number): EscrowState {
    const state = this.grid.fold.money('escrow', fakeId.lock(n));
    if (state === undefined) throw new Error(`lock ${n} is not funded`);
    return state;
  }

  held(n: number): bigint {
    return heldBy(this.escrow(n));
  }
}
