import { write } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';

import { closeOnce, errorCode } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import { ChunkWindow } from './chunk-window.ts';
import type { LocalFolders } from './local-content.ts';
import { MissDesk, missesMax } from './miss-desk.ts';
import type { ContentFetcher } from './miss-desk.ts';
import { errnos, outHeaderBytes, resendNotice, writeHeader } from './fuse-wire.ts';
import { takeOpenRequests } from './open-requests.ts';
import type { FuseSession } from './fuse-wire.ts';
import type {
  ServedImage,
  TracedRead,
  WorkerMessage,
  WorkerOrder,
  WorkerStart,
} from './worker-messages.ts';

export interface FuseServerOptions extends LocalFolders {
  /** /dev/fuse, mounted and agreed upon by the holder. It stays open when the server closes. */
  readonly fd: number;
  readonly session: FuseSession;
  /** Where it is mounted. */
  readonly mountPoint: string;
  /** Where to note what is not answered, if the kernel forgets it when the server dies. */
  readonly openRequestsPath: string;
  /** 32 bytes that the store keeps: from them come the numbers of nodes. */
  readonly secret: Uint8Array;
  readonly fetcher: ContentFetcher;
  /** Chunks that were fetched ahead, which are answered from there. Default: none. */
  readonly window?: ChunkWindow;
  /** What is shown from the first answer on: all that was before a crash. */
  readonly images: readonly ServedImage[];
  readonly logger: Logger;
  /** For how long a reader waits for content. Default 30 s. */
  readonly missTimeoutMs?: number;
}

/**
 * Answers for the FUSE file system of a store: a thread that answers at once what is here, and the
 * desk, on the main thread, for what has to be fetched.
 */
export class FuseServer implements AsyncDisposable {
  /** Fails when the thread does; resolves when the file system is unmounted or the server closed. */
  readonly ended: Promise<void>;
  readonly close: () => Promise<void>;
  readonly #options: FuseServerOptions;
  readonly #worker: Worker;
  readonly #bell: Int32Array;
  readonly #desk: MissDesk;
  readonly #traces = new Map<string, (reads: readonly TracedRead[]) => void>();
  readonly #knocking = new Set<Promise<void>>();
  #knocks = 0;

  private constructor(
    options: FuseServerOptions,
    worker: Worker,
    { bell, openRequests }: WorkerStart,
  ) {
    this.#options = options;
    this.#worker = worker;
    this.#bell = new Int32Array(bell);
    const { fd, fetcher, logger, missTimeoutMs } = options;
    const takenPlaces = openRequests && new Int32Array(openRequests.taken);
    this.#desk = new MissDesk({ fd, fetcher, logger, takenPlaces, timeoutMs: missTimeoutMs });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    promise.catch(() => {});
    worker.on('message', (message: WorkerMessage) => this.#hear(message));
    worker.on('error', reject);
    worker.on('exit', () => resolve());
    this.close = closeOnce(async () => {
      // A knock that nobody answers any more would keep the process alive.
      await Promise.allSettled(this.#knocking);
      const last = this.#nextKnock();
      this.#post({ kind: 'end', last });
      await this.#knock(last);
      await this.ended;
      await this.#desk.close();
    });
  }

  static async open(options: FuseServerOptions): Promise<FuseServer> {
    const { fd, secret, objectsFolder, chunksFolder, images, session, openRequestsPath } = options;
    if (!session.canResend) await failOpenRequests(fd, openRequestsPath);
    const taken = new SharedArrayBuffer((missesMax + 1) * Int32Array.BYTES_PER_ELEMENT);
    const openRequests = session.canResend ? undefined : { path: openRequestsPath, taken };
    const bell = new SharedArrayBuffer(4);
    const orders = images.map((image) => ({ kind: 'add', image }) as const);
    const { memory: window } = options.window ?? new ChunkWindow();
    const own = { fd, secret, bell, orders, openRequests, window };
    const start: WorkerStart = { ...own, objectsFolder, chunksFolder };
    const worker = new Worker(new URL('read-worker.ts', import.meta.url), { workerData: start });
    const server = new FuseServer(options, worker, start);
    await Promise.race([once(worker, 'online'), server.ended]);
    if (session.canResend) await askAgain(fd);
    return server;
  }

  /** Reads that wait for their content. */
  get waitingReads(): number {
    return this.#desk.size;
  }

  /** Shows an image. Whoever asks for its objects or its tree from now on finds them. */
  add(image: ServedImage): void {
    this.#post({ kind: 'add', image });
    // So that the first one who asks need not wait.
    this.#knock().catch((err: unknown) => this.#options.logger.warn({ err }, 'a knock failed'));
  }

  async remove(name: string): Promise<void> {
    await this.#order({ kind: 'remove', name });
  }

  /** What was read of an image that is traced, in order. */
  async trace(name: string): Promise<readonly TracedRead[]> {
    const { promise, resolve } = Promise.withResolvers<readonly TracedRead[]>();
    this.#traces.set(name, resolve);
    await this.#order({ kind: 'trace', name });
    return promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Resolves once the thread has taken the order. */
  async #order(order: WorkerOrder): Promise<void> {
    this.#post(order);
    await this.#knock();
  }

  /** Gives the thread an order, which it takes before whatever it is asked from now on. */
  #post(order: WorkerOrder): void {
    // A thread has no origin.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    this.#worker.postMessage(order);
    Atomics.store(this.#bell, 0, 1);
  }

  /** The thread sleeps until it is asked something, so it is: for a name that is not there. */
  async #knock(name = this.#nextKnock()): Promise<void> {
    const knock = lookFor(join(this.#options.mountPoint, name));
    this.#knocking.add(knock);
    try {
      await Promise.race([knock, this.ended]);
    } finally {
      this.#knocking.delete(knock);
    }
  }

  #nextKnock(): string {
    this.#knocks += 1;
    return `.knock-${this.#knocks}`;
  }

  #hear(message: WorkerMessage): void {
    if (message.kind === 'miss') this.#desk.take(message);
    else if (message.kind === 'interrupt') this.#desk.interrupt(message.unique);
    else {
      this.#traces.get(message.name)?.(message.reads);
      this.#traces.delete(message.name);
    }
  }
}

async function lookFor(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (error) {
    if (!unanswered.has(errorCode(error) ?? '')) throw error;
  }
}

/** No such name; or nothing is mounted any more. */
const unanswered: ReadonlySet<string> = new Set(['ENOENT', 'ENOTCONN', 'ECONNABORTED']);

const writeAsync = promisify(write);

/** What a server that died left unanswered comes again. A kernel that has nothing says so. */
async function askAgain(fd: number): Promise<void> {
  const notice = resendNotice();
  await writeAsync(fd, notice, 0, notice.length, null);
}

/** What a server that died left unanswered never comes again: whoever waits for it gets EIO. */
async function failOpenRequests(fd: number, path: string): Promise<void> {
  for (const unique of await takeOpenRequests(path)) {
    const answer = Buffer.alloc(outHeaderBytes);
    writeHeader(answer, { unique, errno: errnos.io });
    await writeAsync(fd, answer, 0, answer.length, null).catch((error: unknown) => {
      // It was answered.
      if (errorCode(error) !== 'ENOENT') throw error;
    });
  }
}
