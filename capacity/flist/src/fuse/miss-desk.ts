import { writev } from 'node:fs';
import { promisify } from 'node:util';

import { errorCode, withTimeout } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { ObjectId } from '../format/object-id.ts';
import { errnos, outHeaderBytes, writeHeader } from './fuse-wire.ts';
import type { MissMessage } from './worker-messages.ts';

/** Bytes of a content that are fetched. */
export interface ContentRange {
  readonly id: ObjectId;
  readonly offset: number;
  readonly length: number;
}

/** Where bytes come from that are not here. What it gives is verified. */
export interface ContentFetcher {
  /**
   * @returns the bytes, in pieces that are one behind the other
   * @throws any error: the reader then gets EIO
   */
  read(range: ContentRange, signal: AbortSignal): Promise<readonly Uint8Array[]>;
}

/** Reads that wait for their content at a time; further ones fail at once with EIO. */
export const missesMax = 256;

/** For how long a reader waits for content that is not here; then it gets EIO. */
const missTimeoutMs = 30_000;

export interface MissDeskOptions {
  readonly fd: number;
  readonly fetcher: ContentFetcher;
  readonly logger: Logger;
  /** Which places of open requests are taken: the desk frees them. */
  readonly takenPlaces?: Int32Array | undefined;
  /** Default `missTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

/** Answers reads of what has to be fetched, each on its own: one that waits delays no other. */
export class MissDesk {
  readonly #options: MissDeskOptions;
  readonly #waiting = new Map<bigint, AbortController>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: MissDeskOptions) {
    this.#options = options;
  }

  /** Reads that wait now. */
  get size(): number {
    return this.#waiting.size;
  }

  take(miss: MissMessage): void {
    const running = this.#answer(miss).finally(() => {
      this.#running.delete(running);
      const { takenPlaces } = this.#options;
      if (takenPlaces !== undefined && miss.place > 0) Atomics.store(takenPlaces, miss.place, 0);
    });
    this.#running.add(running);
  }

  /** The reader was told to stop, by a signal for instance. */
  interrupt(unique: bigint): void {
    this.#waiting.get(unique)?.abort(interrupted);
  }

  /** All that wait get EIO. */
  async close(): Promise<void> {
    for (const waiting of this.#waiting.values()) waiting.abort();
    await Promise.all(this.#running);
  }

  async #answer(miss: MissMessage): Promise<void> {
    const { unique, id, offset, length } = miss;
    const { fetcher, logger, timeoutMs = missTimeoutMs } = this.#options;
    if (this.#waiting.size >= missesMax) {
      logger.warn({ id, missesMax }, 'too many reads wait for content');
      return this.#reply(unique, errnos.io);
    }
    const waiting = new AbortController();
    this.#waiting.set(unique, waiting);
    try {
      const what = `content of ${id}`;
      const content = await withTimeout((signal) => fetcher.read({ id, offset, length }, signal), {
        timeoutMs,
        what,
        signal: waiting.signal,
      });
      await this.#reply(unique, 0, content);
    } catch (error) {
      const isInterrupted = waiting.signal.reason === interrupted;
      if (!isInterrupted) logger.warn({ err: error, id, offset, length }, 'a read failed');
      await this.#reply(unique, isInterrupted ? errnos.interrupted : errnos.io);
    } finally {
      this.#waiting.delete(unique);
    }
  }

  /** Whoever has gone meanwhile gets nothing. */
  async #reply(unique: bigint, errno: number, content: readonly Uint8Array[] = []): Promise<void> {
    const header = Buffer.allocUnsafe(outHeaderBytes);
    const sizeBytes = content.reduce((sum, piece) => sum + piece.length, 0);
    writeHeader(header, { unique, errno, sizeBytes });
    try {
      await writevAsync(this.#options.fd, [header, ...content]);
    } catch (error) {
      const code = errorCode(error) ?? '';
      if (!gone.has(code)) this.#options.logger.error({ err: error }, 'an answer was refused');
    }
  }
}

const interrupted = Symbol('interrupted');
const gone: ReadonlySet<string> = new Set(['ENOENT', 'ENODEV']);
const writevAsync = promisify(writev);
