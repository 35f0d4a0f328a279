import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { GridError, isGridError, Mutex } from '@commongrid/base';
import type { BackupTarget, NodeErrorCode } from '@commongrid/node';
import type { Stor } from '@commongrid/zstor';

/** What backups need of a store. */
type BackupStore = Pick<Stor, 'get' | 'put' | 'list' | 'remove' | 'tidy' | 'close'>;

/** Before the name of a backup, in the names of the store. */
const namePrefix = 'volume-backup/';

/**
 * Backups of volumes as files of a Zero-Stor. The store is opened for each of them and closed again:
 * whoever opens one is its head, and a node needs it seldom.
 */
export class ZstorBackups implements BackupTarget {
  readonly #open: (signal: AbortSignal) => Promise<BackupStore>;
  readonly #turn = new Mutex();

  constructor(open: (signal: AbortSignal) => Promise<BackupStore>) {
    this.#open = open;
  }

  put(name: string, content: Readable, signal: AbortSignal): Promise<void> {
    return this.#with(signal, async (store) => {
      await store.put(namePrefix + name, content, { signal });
    });
  }

  /** The store stays open until the stream has ended, or is destroyed. */
  async get(name: string, signal: AbortSignal): Promise<Readable> {
    const stream = new PassThrough();
    const begun = Promise.withResolvers<void>();
    const copied = this.#with(signal, async (store) => {
      const pieces = async function* (): AsyncGenerator<Buffer> {
        for await (const piece of store.get(namePrefix + name, { signal })) {
          begun.resolve();
          // What is yielded is good until the next is asked for.
          yield Buffer.from(piece);
        }
        begun.resolve();
      };
      await pipeline(pieces, stream, { signal });
    });
    // Whoever reads is told by the stream.
    copied.catch((error: unknown) => begun.reject(error));
    try {
      await begun.promise;
      return stream;
    } catch (error) {
      throw isGridError(error, 'ZSTOR_FILE_UNKNOWN') ? unknown(name, error) : error;
    }
  }

  list(prefix: string, signal: AbortSignal): Promise<readonly string[]> {
    return this.#with(signal, async (store) => {
      const names: string[] = [];
      for (let after = ''; ;) {
        const page = store.list(namePrefix + prefix, after);
        names.push(...page.map(({ name }) => name.slice(namePrefix.length)));
        const last = page.at(-1)?.name;
        if (last === undefined) return names.toSorted();
        after = last;
      }
    });
  }

  delete(name: string, signal: AbortSignal): Promise<void> {
    return this.#with(signal, async (store) => {
      try {
        await store.remove(namePrefix + name);
      } catch (error) {
        if (!isGridError(error, 'ZSTOR_FILE_UNKNOWN')) throw error;
      }
      await store.tidy(signal);
    });
  }

  #with<T>(signal: AbortSignal, work: (store: BackupStore) => Promise<T>): Promise<T> {
    return this.#turn.run(async () => {
      const store = await this.#open(signal);
      try {
        return await work(store);
      } finally {
        await store.close();
      }
    });
  }
}

function unknown(name: string, cause: unknown): GridError<NodeErrorCode> {
  return new GridError('NODE_BACKUP_UNKNOWN', `there is no backup ${name}`, {
    hint: 'list what there is: grid zstor ls volume-backup/',
    details: { name },
    cause,
  });
}
