import path from 'node:path';
import { delay, errorCode, type GridError, isGridError, TaskGroup } from '@commongrid/base';
import { type Files, writeAll } from '@commongrid/files';
import type { RespServer } from '@commongrid/resp';
import type { ZdbErrorCode } from '../errors.ts';
import { freeDiskBytes, reserveBytesOf } from './disk-space.ts';
import { replyTexts } from './reply-texts.ts';
import { restoreNextIds } from './sequential.ts';
import type { ServerContext } from './server-context.ts';

/** How often a disk that was full is asked for room. */
const LOOK_MS = 5_000;
/** Written to find out whether a disk with room takes it: a quota may not. */
const TRIAL_BYTES = 1024 * 1024;
/** A start removes one that was left, as it does with all of this name. */
const TRIAL_NAME = 'manifest.new';
/** After any other failure nobody knows what the disk has: it is final. */
const fullCodes: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/**
 * What a server does when its disk refused a write.
 *
 * 1. Replies that wait become errors: nothing that was not on disk may be shown.
 * 2. The store is opened anew, read-only, with what is on disk.
 * 3. Where the disk was full, and nothing else, it is asked until there is room besides what is kept for
 *    deletions. Then the log is cut behind the last record that was acknowledged, as durably as a start
 *    does it, and writes are taken again.
 */
export class DiskFailure implements AsyncDisposable {
  readonly #context: ServerContext;
  readonly #network: RespServer;
  readonly #tasks: TaskGroup;

  constructor(context: ServerContext, network: RespServer) {
    this.#context = context;
    this.#network = network;
    this.#tasks = new TaskGroup({
      onError: (err) => context.logger.error({ err }, 'no writes are taken until the next start'),
    });
  }

  /** The log has failed. */
  begin(error: GridError): void {
    const { stats, clock } = this.#context;
    stats.writeFailures++;
    stats.lastFailureMs = clock.nowMs();
    this.#network.refuse(replyTexts.cannotWrite);
    if (this.#tasks.signal.aborted) return;
    this.#tasks.start('reopen', async (signal) => {
      await this.#reopen();
      if (isFull(error.cause)) await this.#untilWritable(signal);
    });
  }

  /** What was never on disk must not be shown: the store reads anew what is. */
  async #reopen(): Promise<void> {
    const { store, logger } = this.#context;
    try {
      await store.reopenReadOnly('the disk refused a write');
      // The settings that stand now were read from disk.
      this.#context.settingsSequence = 0;
      logger.warn('the store answers reads, from what is on disk');
    } catch (error) {
      logger.error({ err: error }, 'the store cannot be read after a failed write');
    }
  }

  async #untilWritable(signal: AbortSignal): Promise<void> {
    const { clock, logger, events } = this.#context;
    for (;;) {
      await delay(LOOK_MS, { signal, clock });
      try {
        if (!this.#hasRoom() || !(await this.#writeAgain())) continue;
        logger.warn('there is room on the disk: writes are taken again');
        events.emit({ kind: 'writable' });
        return;
      } catch (error) {
        if (!isFull(error)) throw error;
        logger.debug({ err: error }, 'the disk is still full');
      }
    }
  }

  /** Room besides what is kept for deletions, so that it is not full again at once. */
  #hasRoom(): boolean {
    const { store, config } = this.#context;
    if (freeDiskBytes(store) < reserveBytesOf(store) + TRIAL_BYTES) return false;
    tryToWrite(config.files, path.join(config.dataDir, TRIAL_NAME));
    return true;
  }

  /** False when it has to be tried again later. */
  async #writeAgain(): Promise<boolean> {
    const { store, replication } = this.#context;
    // It has a follower, or none, and nobody else may begin one.
    if (replication?.isPromoting === true) return false;
    await replication?.pause();
    try {
      await store.writeAgain(async () => {
        await restoreNextIds(store);
        this.#network.accept();
      });
    } finally {
      replication?.goOn();
    }
    return true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tasks.close();
  }
}

/** @throws what the disk says */
function tryToWrite(files: Files, file: string): void {
  const fd = files.openSync(file, 'w', 0o600);
  try {
    writeAll(files, fd, Buffer.alloc(TRIAL_BYTES), 0);
    files.fsyncSync(fd);
  } finally {
    files.closeSync(fd);
    files.unlinkSync(file);
  }
}

function isFull(error: unknown): boolean {
  if (isGridError<ZdbErrorCode>(error, 'ZDB_WRITE_FAILED')) return isFull(error.cause);
  return fullCodes.has(errorCode(error) ?? '');
}
