import { applyRecords } from '../engine/apply.ts';
import { finishErasures } from '../engine/upkeep/erasure.ts';
import { FRAME_HEADER_BYTES } from '../engine/log/format.ts';
import { type LogRecord, recordsOf, soundFrameAt } from '../engine/log/frame-reader.ts';
import type { Store } from '../engine/store.ts';
import { broken, type FramesMessage } from './handshake.ts';

/**
 * Puts what a source sends into a replica's store: frame by frame, each whole or not at all, checked with
 * the checksums that it has on the source's disk.
 */
export class FrameApplier {
  readonly #store: Store;
  readonly #onConfirmed: () => void;

  /** @param onConfirmed called when more is confirmed without more being on disk */
  constructor(store: Store, onConfirmed: () => void) {
    this.#store = store;
    this.#onConfirmed = onConfirmed;
  }

  /** Everything up to here is on disk, and what it erases is gone. */
  get confirmed(): number {
    const { log, table } = this.#store;
    return Math.min(log.durableSequence, (table.erasures?.[0] ?? Infinity) - 1);
  }

  /** @throws GridError ZDB_REPLICA_STREAM_BROKEN, ZDB_WRITE_FAILED */
  async apply(message: FramesMessage): Promise<void> {
    const { table } = this.#store;
    this.#noteCompaction(message);
    const { bytes, segmentId } = message;
    for (let at = 0; at < bytes.length;) {
      const place = { logId: table.logId, segmentId, offset: message.offset + at };
      const header = soundFrameAt(bytes, at, place);
      if (header === undefined) throw broken('a frame arrived damaged');
      const { lastSequence } = this.#store.log;
      const records = [...recordsOf(bytes, at, header)];
      await this.#applyFrame(records.filter((one) => one.sequence > lastSequence));
      at += FRAME_HEADER_BYTES + header.payloadBytes;
    }
    this.#store.log.turn();
    const { failure } = this.#store.log;
    if (failure !== undefined) throw failure;
  }

  /**
   * What compaction at the source took away is missing here too. Until the log has come to where that was
   * decided it shows a state that never was; noted before the first such record.
   */
  #noteCompaction({ compactedThrough, deletionsDroppedThrough }: FramesMessage): void {
    const { table } = this.#store;
    const isKnown =
      compactedThrough <= table.compactedThrough &&
      deletionsDroppedThrough <= table.deletionsDroppedThrough;
    if (isKnown) return;
    table.compactedThrough = Math.max(table.compactedThrough, compactedThrough);
    table.deletionsDroppedThrough = Math.max(
      table.deletionsDroppedThrough,
      deletionsDroppedThrough,
    );
    table.save();
  }

  async #applyFrame(records: readonly LogRecord[]): Promise<void> {
    await applyRecords(this.#store, records);
    await this.finishErasures();
  }

  /** Carries out the erasures that are not done; after a start too. */
  async finishErasures(): Promise<void> {
    if (this.#store.table.erasures?.length === 0) return;
    await finishErasures(this.#store);
    this.#onConfirmed();
  }
}
