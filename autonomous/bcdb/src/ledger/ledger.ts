import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { LogEngine, LogHead, StoredBody } from '../log/log-engine.ts';
import { checkRecord } from '../record/checked-record.ts';
import type { Genesis } from '../record/genesis.ts';
import { logIdOf } from '../record/genesis.ts';
import type { EffectBatch } from '../state/effect.ts';
import { Fold } from '../state/fold.ts';
import type { LayeredStore } from '../state/layered-store.ts';
import { StateView } from '../state/state-view.ts';
import { toBase64url } from '../tree/base64.ts';
import type { HashStore } from '../tree/hash-store.ts';
import { BatchRoots } from './batch-roots.ts';
import { LedgerBatch } from './ledger-batch.ts';
import { replayEffects } from './replay-effects.ts';

export interface LedgerParts {
  readonly engine: LogEngine;
  /** Hashes of the tree up to the head of the engine. */
  readonly hashes: HashStore;
  readonly store: LayeredStore;
  readonly genesis: Genesis;
}

/** What the kept state holds; one of another program is made anew from the log. */
const stateFormat = 'state-3';

/** Told of what became durable, in order. An error of a listener is the listener's own business. */
export type EffectListener = (batch: EffectBatch) => void | Promise<void>;

/**
 * A log together with what follows from it: its tree and the state of the fold. The sequencer and
 * every replica build on it; they differ only in where the records come from.
 *
 *     begin a batch -> judge record after record -> end it: engine and layer of the state
 *     durable       -> the layer sinks into the state's file -> effects go to the listeners
 */
export class Ledger {
  readonly genesis: Genesis;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  readonly fold: Fold;
  readonly view: StateView;
  readonly #engine: LogEngine;
  readonly #hashes: HashStore;
  readonly #store: LayeredStore;
  readonly #listeners = new Set<EffectListener>();
  /** Roots within the batch that is being built. */
  #building: BatchRoots | undefined;
  /** Ends when all batches given to the engine have. */
  #tail: Promise<void> = Promise.resolve();
  #failure: unknown;
  readonly #failed = Promise.withResolvers<GridError<BcdbErrorCode>>();
  /** Records that were judged and are durable: how far effects go. */
  #judged = 0;

  private constructor({ engine, hashes, store, genesis }: LedgerParts) {
    this.genesis = genesis;
    this.log = toBase64url(logIdOf(genesis));
    this.#engine = engine;
    this.#hashes = hashes;
    this.#store = store;
    this.view = new StateView(store);
    this.fold = new Fold({
      view: this.view,
      log: this.log,
      genesis,
      hadHead: (size, root) => this.#hadHead(size, root),
    });
  }

  /** The state is as it was kept; `catchUp` brings it to the head of the log. */
  static open(parts: LedgerParts): Ledger {
    const ledger = new Ledger(parts);
    ledger.#judged = ledger.#stateSize();
    return ledger;
  }

  /** What is durable. */
  get head(): LogHead {
    return this.#engine.head;
  }

  /** Size of the log with the batches that are on their way. */
  get nextSeq(): number {
    return this.#hashes.size;
  }

  listen(listener: EffectListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Version of a record that is in the log or on its way there, base64url. */
  versionAt(seq: number): string {
    return toBase64url(this.#hashes.leafHash(seq));
  }

  /** Merkle root over the first `size` leaves. */
  rootAt(size: number): Uint8Array {
    return this.#hashes.rootAt(size);
  }

  /** A batch on top of all before. Only one is built at a time. */
  begin(): LedgerBatch {
    if (this.#failure !== undefined) throw this.#stopped();
    const batch = new LedgerBatch(this.fold, this.view, this.#hashes.size);
    const leafHashAt = (index: number): Uint8Array | undefined => batch.records[index]?.leafHash;
    this.#building = new BatchRoots(this.#hashes.frontier(), leafHashAt);
    return batch;
  }

  /**
   * Writes a batch; resolves once it is durable, and its effects were given out. The next batch can
   * be built meanwhile.
   * @throws BCDB_LOG_STOPPED and what the engine throws; the ledger has to be opened again then
   */
  async end(batch: LedgerBatch): Promise<LogHead> {
    const { from, records, effects } = batch;
    let head: LogHead;
    try {
      this.#hashes.append(records.map(({ leafHash }) => leafHash));
      const { size } = this.#hashes;
      head = { size, root: this.#hashes.rootAt(size) };
      this.#sealState(head);
    } catch (error) {
      // The log has none of it, and this ledger has: nothing can follow.
      this.#stop(error);
      throw this.#stopped();
    }
    const entries = records.map(({ entry }) => entry);
    const written = this.#engine.append({ from, entries, head });
    const landed = this.#land(written, { from, ...head, effects });
    // Batches sink in their order, and a failure of one is that of all after it.
    this.#tail = landed.catch((error: unknown) => this.#stop(error));
    await landed;
    return head;
  }

  /** Once a batch and all before it are durable. */
  async #land(written: Promise<void>, batch: EffectBatch): Promise<void> {
    await Promise.all([written, this.#tail]);
    if (this.#failure !== undefined) throw this.#stopped();
    try {
      this.#store.sink();
    } catch (error) {
      this.#stop(error);
      throw this.#stopped();
    }
    void this.#announce(batch);
  }

  /** Resolves with the reason when the ledger takes no more records: it failed, or was closed. */
  get failed(): Promise<GridError<BcdbErrorCode>> {
    return this.#failed.promise;
  }

  /** Resolves once all batches given to the engine so far are durable. */
  async settled(): Promise<LogHead> {
    await this.#tail;
    if (this.#failure !== undefined) throw this.#stopped();
    return this.head;
  }

  /** Root of the log as it would be with these leaves. */
  rootWith(leafHashes: readonly Uint8Array[]): Uint8Array {
    const frontier = this.#hashes.frontier();
    for (const leafHash of leafHashes) frontier.append(leafHash);
    return frontier.root();
  }

  /** Nothing of this batch happened. */
  drop(): void {
    this.view.dropBatch();
  }

  /** Effects of the log from a sequence on, as they were judged: for a projection that lags behind. */
  effects(from: number): AsyncGenerator<EffectBatch> {
    return replayEffects(this, from, this.#judged);
  }

  /** Entries of the log as they were signed. */
  read(from: number, to: number): ReturnType<LogEngine['read']> {
    return this.#engine.read(from, to);
  }

  /**
   * Puts payloads into the log that were missing. What follows from it was made without them: the
   * ledger takes nothing more, and the state has to be made anew before it is opened again.
   */
  async addBodies(bodies: readonly StoredBody[]): Promise<void> {
    await this.#engine.addBodies(bodies);
    this.#stop(
      new GridError<BcdbErrorCode>('BCDB_LOG_STOPPED', 'payloads came in that were missing'),
    );
    await this.#tail;
  }

  /** Waits for batches on their way; the parts are closed by who opened them. */
  async close(): Promise<void> {
    this.#stop(new GridError<BcdbErrorCode>('BCDB_LOG_STOPPED', 'the ledger was closed'));
    await this.#tail;
  }

  /**
   * Judges what the log holds above the state, and gives out the effects; a state that does not fit
   * the log is made anew. To be called once, before the first batch.
   */
  async catchUp(): Promise<void> {
    const { size } = this.#engine.head;
    for await (const group of this.#engine.read(this.#judged, size)) {
      const batch = new LedgerBatch(this.fold, this.view, group[0]?.seq ?? 0);
      for (const entry of group) batch.take(checkRecord(entry, { mayBeErased: true }));
      const end = batch.from + group.length;
      this.#sealState({ size: end, root: this.#hashes.rootAt(end) });
      this.#store.sink();
      const { effects } = batch;
      const root = this.#hashes.rootAt(end);
      await this.#announce({ from: batch.from, size: end, root, effects });
    }
  }

  /**
   * Size of the log that the kept state belongs to; 0, and no state, when it is of another log.
   * @throws BCDB_LOG_ROLLED_BACK when the state was made from more: only durable records get there
   */
  #stateSize(): number {
    const [format, text, root = ''] = (this.view.fact('head') ?? '').split(' ');
    const size = Number(text);
    if (format === stateFormat && Number.isSafeInteger(size) && size >= 0) {
      if (size > this.#hashes.size) throw rolledBack(size, this.#hashes.size);
      if (this.#hadHead(size, root)) return size;
    }
    this.#store.clear();
    this.view.dropBatch();
    return 0;
  }

  /** Ends the changes of a batch with the head that they belong to. */
  #sealState({ size, root }: LogHead): void {
    this.view.setFact('head', `${stateFormat} ${size} ${toBase64url(root)}`);
    this.view.takeChanges();
    this.view.pushBatch();
  }

  #hadHead(size: number, root: string): boolean {
    const actual = size <= this.#hashes.size ? this.#hashes.rootAt(size) : this.#building?.at(size);
    return actual !== undefined && toBase64url(actual) === root;
  }

  /** Resolves when each listener is ready for more. */
  async #announce(batch: EffectBatch): Promise<void> {
    this.#judged = batch.size;
    await Promise.all([...this.#listeners].map(async (listener) => listener(batch)));
  }

  #stop(error: unknown): void {
    this.#failure ??= error;
    this.#failed.resolve(this.#stopped());
    this.#store.dropLayers();
    this.view.dropBatch();
  }

  #stopped(): GridError<BcdbErrorCode> {
    return new GridError('BCDB_LOG_STOPPED', 'the log takes no records until it is opened again', {
      retryable: true,
      cause: this.#failure,
    });
  }
}

function rolledBack(known: number, size: number): GridError<BcdbErrorCode> {
  return new GridError(
    'BCDB_LOG_ROLLED_BACK',
    `the log holds ${size} records, and held ${known} when this folder was last in use`,
    {
      hint: 'put the whole log back; if it is lost for good: grid bcdb rebuild, then grid bcdb handover',
      details: { size, known },
    },
  );
}
