import { GridError, isGridError } from '@commongrid/base';
import type { BcdbClient, ProvenObject } from '@commongrid/bcdb/client';
import { readDirectory } from '@commongrid/contract';
import type { Directory } from '@commongrid/contract';
import { parse } from '@commongrid/model';
import type { Farm, Lock, RecordOf, RecordUrl } from '@commongrid/model';
import type { BotErrorCode } from '../errors.ts';
import type { Phonebook } from '../phonebook/phonebook.ts';

export interface MarketLogOptions {
  /** Does something with the connection to the database, which signs for this bot. */
  readonly use: <T>(
    work: (client: BcdbClient, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ) => Promise<T>;
  readonly phonebook: Phonebook;
  readonly nowMs: () => number;
}

/** For how long a directory counts, ms: many may ask at once. */
const directoryFreshMs = 1_000;

/** Time for the database to give one, ms. */
const directoryMs = 20_000;

/** The log as a market needs it: what there is, who owns it, which locks were made. */
export class MarketLog {
  readonly #o: MarketLogOptions;
  #directory: { readonly atMs: number; readonly reading: Promise<Directory> } | undefined;

  constructor(options: MarketLogOptions) {
    this.#o = options;
  }

  /** What there is to place on, a second old at most. It is the word of the database. */
  async directory(): Promise<Directory> {
    const nowMs = this.#o.nowMs();
    const known = this.#directory;
    if (known !== undefined && Math.abs(nowMs - known.atMs) < directoryFreshMs) {
      return known.reading;
    }
    // Several wait for it: that one of them is gone is nothing to the others.
    const signal = AbortSignal.timeout(directoryMs);
    const reading = this.#o.use((client) => readDirectory(client, nowMs), signal);
    const now = { atMs: nowMs, reading };
    this.#directory = now;
    try {
      return await reading;
    } catch (error) {
      if (this.#directory === now) this.#directory = undefined;
      throw error;
    }
  }

  /** What changed here just now is to be seen by the next who asks. */
  forgetDirectory(): void {
    this.#directory = undefined;
  }

  /**
   * A farm as the log proves it, by a key that its owner lists or listed.
   * @throws MARKET_NODE_REFUSED where another says it is his
   */
  async farm(id: string, owner: string, signal: AbortSignal): Promise<Farm> {
    const { envelope, value } = await this.#prove('grid', 'grid.farm.1', id, signal);
    const farm = parse('grid.farm.1', value);
    const entry = await this.#o.phonebook.bot(owner);
    const isOwners = entry.keys.some(({ key }) => key === envelope.author);
    if (farm.id === id && farm.owner === owner && isOwners) return farm;
    throw new GridError<BotErrorCode>('MARKET_NODE_REFUSED', `the farm ${id} is not of ${owner}`, {
      hint: 'ask the owner of the farm that the node names',
      details: { farm: id, owner },
    });
  }

  /** A lock as the log proves it, and the key that signed it; undefined while there is none. */
  async lock(
    id: string,
    signal: AbortSignal,
  ): Promise<{ readonly lock: Lock; readonly author: string } | undefined> {
    try {
      const { envelope, value } = await this.#prove('grid', 'grid.lock.1', id, signal);
      return { lock: parse('grid.lock.1', value), author: envelope.author };
    } catch (error) {
      if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /** The farm that a node names, as the log proves it. */
  async farmOfNode(node: string, signal: AbortSignal): Promise<string> {
    const { value } = await this.#prove('grid', 'grid.node.1', node, signal);
    return parse('grid.node.1', value).farm;
  }

  /** An object as the database has it; undefined where there is none. */
  async current<Url extends RecordUrl>(
    ns: 'grid' | 'wallet',
    url: Url,
    id: string,
    signal: AbortSignal,
  ): Promise<RecordOf<Url> | undefined> {
    try {
      const { value } = await this.#o.use(
        (client, stop) => client.get(ns, url, id, { minSeq: newest(client), signal: stop }),
        signal,
      );
      return value === undefined ? undefined : parse(url, value);
    } catch (error) {
      if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /** Locks that a farmer made for a buyer, as the database has them. */
  async locksFor(buyer: string, farmer: string, signal: AbortSignal): Promise<readonly Lock[]> {
    const where = { field: 'buyer', op: 'eq', value: buyer } as const;
    const locks: Lock[] = [];
    for (let cursor: string | undefined; ;) {
      const query = { url: 'grid.lock.1', where, limit: 1_000, cursor };
      const page = await this.#o.use((client, stop) => {
        return client.find('grid', { ...query, minSeq: newest(client) }, { signal: stop });
      }, signal);
      for (const { value } of page.objects) {
        const lock = parse('grid.lock.1', value);
        if (lock.farmer === farmer) locks.push(lock);
      }
      if (page.cursor === undefined) return locks;
      cursor = page.cursor;
    }
  }

  /** Appends a lock. @throws BCDB_RULE_BROKEN with the code of the rule in `details.rule` */
  async write(lock: Lock, signal: AbortSignal): Promise<void> {
    const name = { ns: 'grid', op: 'put', url: 'grid.lock.1', obj: lock.id } as const;
    await this.#o.use(
      (client, stop) => client.write({ ...name, value: { ...lock } }, { signal: stop }),
      signal,
    );
  }

  #prove(ns: string, url: string, id: string, signal: AbortSignal): Promise<ProvenObject> {
    return this.#o.use((client, stop) => client.prove(ns, url, id, { signal: stop }), signal);
  }
}

/** What was written here counts. */
function newest({ lastHead, writtenSize }: BcdbClient): number {
  return Math.max(0, Math.max(lastHead?.size ?? 0, writtenSize) - 1);
}
