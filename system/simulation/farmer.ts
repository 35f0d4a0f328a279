import { GridError } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { LockWish } from '@commongrid/contract';
import { endOf, monthlyPrice, priceOf, releasable } from '@commongrid/model';
import type { BotId, KeyText, LockId, RecordOf } from '@commongrid/model';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';
import { Outbox } from './outbox.ts';
import type { Sequencer } from './sequencer.ts';

export interface FarmerOptions {
  readonly id: BotId;
  /** Device with which the bot signs. */
  readonly key: KeyText;
  readonly machine: Machine;
  readonly network: Network;
  readonly sequencer: Sequencer;
  readonly random: Random;
  readonly prices: RecordOf<'grid.farm.1'>['prices'];
}

type Lock = RecordOf<'grid.lock.1'>;

/** As long as an unpaid lock of it holds, ms. */
const lockTtlMs = 120_000;
const disputeMs = 30_000;
const settleEveryMs = 45_000;

/** A bot that sells room on its nodes to whoever asks, and collects what it earned. */
export class Farmer {
  readonly id: BotId;
  readonly machine: Machine;
  readonly #options: FarmerOptions;
  readonly #outbox: Outbox;

  constructor(options: FarmerOptions) {
    this.id = options.id;
    this.machine = options.machine;
    this.#options = options;
    this.#outbox = new Outbox(options);
    this.#settleLater();
  }

  /** Asks the farmer for a lock, over the network. */
  async obtain(buyer: Machine, wish: LockWish): Promise<LockId> {
    const { network } = this.#options;
    return network.call(buyer, this.machine, () => this.#lockFor(wish), { timeoutMs: 5_000 });
  }

  async #lockFor(wish: LockWish): Promise<LockId> {
    const { network, sequencer, key, prices, random } = this.#options;
    const ask = <T>(handle: () => T): Promise<T> =>
      network.call(this.machine, sequencer.machine, handle);
    const open = await ask(() => this.#openFor(wish));
    if (open !== undefined) return open.id;
    const price = priceOf(prices, wish.resources);
    if (price === undefined || monthlyPrice({ price }) > wish.perMonthMax) {
      throw new GridError('SIMULATED_REFUSAL', 'the farmer wants more');
    }
    const { contract, buyer, slot, node, resources } = wish;
    const id = `lock:${random.bytes(16).toBase64({ alphabet: 'base64url', omitPadding: true })}`;
    const value = {
      ...{ id, contract, node, farmer: this.id, buyer, slot, resources, price, disputeMs },
      ...{ minFund: price.amount, onDispute: 'refund' as const },
    };
    await ask(() => {
      const lock = { ...value, expiresMs: sequencer.at + lockTtlMs } as Lock;
      sequencer.append({ url: 'grid.lock.1', obj: id, op: 'put', author: key, value: lock });
    });
    return id as LockId;
  }

  /** The lock for this very place that still counts. */
  #openFor({ contract, node, slot }: LockWish): Lock | undefined {
    const { fold, at } = this.#options.sequencer;
    for (const lock of this.#locks()) {
      const isPlace = lock.contract === contract && lock.node === node;
      const isSlot = lock.slot.role === slot.role && lock.slot.replica === slot.replica;
      const escrow = fold.money('escrow', lock.id);
      const isOpen = escrow === undefined ? at < lock.expiresMs : escrow.isClosed !== true;
      if (isPlace && isSlot && isOpen && escrow?.place?.untilMs === undefined) return lock;
    }
    return undefined;
  }

  *#locks(): Generator<Lock> {
    for (const lock of this.#options.sequencer.fold.objects('grid.lock.1')) {
      if (lock.farmer === this.id) yield lock;
    }
  }

  #settleLater(): void {
    this.machine.setTimer(settleEveryMs, () => {
      this.#settle();
      this.#settleLater();
    });
  }

  /** Collects what is due, and gives back what cannot be earned any more. */
  #settle(): void {
    const { fold, at } = this.#options.sequencer;
    for (const lock of this.#locks()) {
      const escrow = fold.money('escrow', lock.id);
      if (escrow === undefined || escrow.isClosed === true) continue;
      const toMs = at - lock.disputeMs;
      const due = toMs > escrow.cursorMs ? releasable(fold, lock, toMs, at) : undefined;
      if (due !== undefined && 'amount' in due) {
        const { id, contract, slot } = lock;
        const workload = `${contract}/${slot.role}/${slot.replica}` as never;
        this.#outbox.say('grid.release.1', { lock: id, workload, toMs, expMs: at + 600_000 });
      } else if (escrow.place?.untilMs !== undefined && escrow.receipts.length === 0) {
        this.#outbox.say('grid.refund.1', { lock: lock.id });
      } else if (escrow.place === undefined && at >= (endOf(fold, lock, escrow) ?? Infinity)) {
        this.#outbox.say('grid.refund.1', { lock: lock.id });
      }
    }
  }
}
