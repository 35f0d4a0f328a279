import { applyRecords } from '../engine/apply.ts';
import { eraseBefore } from '../engine/upkeep/erasure.ts';
import { FRAME_HEADER_BYTES, kindOf, RecordKind } from '../engine/log/format.ts';
import { type LogRecord, recordsOf, soundFrameAt } from '../engine/log/frame-reader.ts';
import type { Store } from '../engine/store.ts';
import { broken, type FramesMessage } from './handshake.ts';
import type { StateFile } from './replication-state.ts';

/**
 * Puts what a source sends into a replica's store: frame by frame, each whole or not at all, checked with
 * the checksums that it has on the source's disk.
 */
export class FrameApplier {
  readonly #store: Store;
  readonly #stateFile: StateFile;
  readonly #onConfirmed: () => void;
  /** An erasure is under way: what came with it is not confirmed before it is done. */
  #confirmedUpTo = Infinity;

  /** @param onConfirmed called when more is confirmed without more being on disk */
  constructor(store: Store, stateFile: StateFile, onConfirmed: () => void) {
    this.#onConfirmed = onConfirmed;
    this.#store = store;
    this.#stateFile = stateFile;
  }

  /** Everything up to here is on disk, and what it erases is gone. */
  get confirmed(): number {
    return Math.min(this.#store.log.durableSequence, this.#confirmedUpTo);
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
    const erasures = records.filter((one) => kindOf(one.owner) === RecordKind.erase);
    if (erasures.length > 0) {
      this.#confirmedUpTo = (records[0]?.sequence ?? 1) - 1;
      const known = this.#stateFile.state.erasures;
      const sequences = erasures.map((one) => one.sequence);
      this.#stateFile.change({ erasures: [...known, ...sequences] });
    }
    await applyRecords(this.#store, records);
    if (erasures.length > 0) await this.finishErasures();
  }

  /** Carries out the erasures that are noted; after a start too. */
  async finishErasures(): Promise<void> {
    const { erasures } = this.#stateFile.state;
    if (erasures.length === 0) return;
    await this.#store.log.flush();
    for (const sequence of erasures) {
      const record = await this.#store.recordAt(sequence);
      const namespace = record && this.#store.namespaces.byId(record.namespaceId);
      if (record === undefined || namespace === undefined) continue;
      await eraseBefore(this.#store, namespace, Buffer.from(record.key), sequence);
    }
    this.#stateFile.change({ erasures: [] });
    this.#confirmedUpTo = Infinity;
    this.#onConfirmed();
  }
}
