import { join } from 'node:path';
import { crc32, GridError } from '@commongrid/base';
import { readWhole, replaceFile, syncFolderAsync } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import type { BcdbErrorCode } from '../../errors.ts';
import { checkErasures } from '../batch.ts';
import type { LogWriter } from './log-writer.ts';
import type { BodyChange, SegmentRewriter } from './segment-rewriter.ts';
import type { SegmentTable } from './segment.ts';

export interface EraserOptions {
  readonly table: SegmentTable;
  readonly writer: LogWriter;
  readonly rewriter: SegmentRewriter;
}

/*
 * Erasing is carried out to the end, whatever happens.
 *
 * 1. The list of what is to go is made durable: the next start goes on with it.
 * 2. The segments that hold some of it are written anew, with the bodies marked as erased.
 * 3. Torn ends that were moved aside go too, since they may hold the same bodies.
 * 4. The folder is synced. Only then the list goes.
 */
export class Eraser {
  readonly #table: SegmentTable;
  readonly #writer: LogWriter;
  readonly #rewriter: SegmentRewriter;

  constructor(options: EraserOptions) {
    this.#table = options.table;
    this.#writer = options.writer;
    this.#rewriter = options.rewriter;
  }

  /** Goes on with what a former process began. */
  resume(): Promise<void> {
    return this.#rewriter.alone(() => this.#run([]));
  }

  erase(sequences: readonly number[]): Promise<void> {
    return this.#rewriter.alone(() => this.#run(sequences));
  }

  async #run(sequences: readonly number[]): Promise<void> {
    const { files, folder } = this.#table;
    const pending = readPending(files, folder);
    const all = [...new Set([...pending, ...sequences])].sort((a, b) => a - b);
    if (all.length === 0) return;
    checkErasures(all, this.#writer.head.size);
    if (all.length > pending.length) replaceFile(files, pendingPath(folder), encodePending(all));
    await this.#rewriter.change(all, withoutBody);
    for (const name of files.readdirSync(folder)) {
      if (name.startsWith('torn-')) files.unlinkSync(join(folder, name));
    }
    await syncFolderAsync(files, folder);
    files.unlinkSync(pendingPath(folder));
    await syncFolderAsync(files, folder);
  }
}

const withoutBody: BodyChange = (entry) =>
  entry.body === undefined ? entry : { leaf: entry.leaf, body: undefined, isErased: true };

function pendingPath(folder: string): string {
  return join(folder, 'erasing');
}

/** Checksum, count, then the sequences: 4, 4 and 8 bytes each. */
function encodePending(sequences: readonly number[]): Buffer {
  const bytes = Buffer.alloc(pendingHeaderBytes + sequences.length * 8);
  bytes.writeUInt32LE(sequences.length, 4);
  for (const [i, seq] of sequences.entries()) {
    bytes.writeBigUInt64LE(BigInt(seq), pendingHeaderBytes + i * 8);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

const pendingHeaderBytes = 8;

/** @throws BCDB_LOG_CORRUPT when there is a list that cannot be read: it is replaced whole or not at all */
function readPending(files: Files, folder: string): readonly number[] {
  const path = pendingPath(folder);
  if (!files.existsSync(path)) return [];
  const bytes = readWhole(files, path);
  const isSound =
    bytes.length >= pendingHeaderBytes &&
    bytes.readUInt32LE(0) === crc32(bytes.subarray(4)) &&
    bytes.length === pendingHeaderBytes + bytes.readUInt32LE(4) * 8;
  if (!isSound) {
    throw new GridError<BcdbErrorCode>('BCDB_LOG_CORRUPT', `${path} is damaged`, {
      hint: 'remove it, and erase again what was being erased',
      details: { file: path },
    });
  }
  const sequences: number[] = [];
  for (let at = pendingHeaderBytes; at < bytes.length; at += 8) {
    sequences.push(Number(bytes.readBigUInt64LE(at)));
  }
  return sequences;
}
