import {
  BcdbClient,
  HeartbeatSender,
  HttpLightSource,
  LightFollower,
} from '@commongrid/bcdb/client';
import type { LightArrival } from '@commongrid/bcdb/client';
import { isGridError, silentLogger } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import { nodeIdOf } from '@commongrid/model';
import type { GridRecord } from '@commongrid/model';
import type { NodeSession, NodeStatement, SourceChange, WorkloadSource } from '@commongrid/node';

import type { LogTrust } from '../bcdb-trust.ts';

export interface BcdbSourceOptions {
  /** Of the follower. */
  readonly folder: string;
  /** HTTP door of a database; what it says is verified. */
  readonly url: string;
  /** From the join token. */
  readonly trust: LogTrust;
  /** Key of the node. */
  readonly key: SigningKey;
  readonly logger?: Logger;
}

/** BCDB as a source of workloads: a light follower of the node's feed, and the node's own words. */
export class BcdbSource implements WorkloadSource {
  readonly log: string;
  readonly #options: BcdbSourceOptions;
  readonly #follower: LightFollower;
  readonly #logger: Logger;
  /** One for all: two would count the records of the key each for itself. */
  #client: Promise<BcdbClient> | undefined;
  #heartbeats: HeartbeatSender | undefined;

  private constructor(options: BcdbSourceOptions, follower: LightFollower) {
    this.#options = options;
    this.#follower = follower;
    this.#logger = options.logger ?? silentLogger;
    this.log = options.trust.log;
  }

  static async open(options: BcdbSourceOptions): Promise<BcdbSource> {
    const { folder, url, trust, key, logger = silentLogger } = options;
    const follower = await LightFollower.open({
      ...{ dataDir: folder, trust, logger },
      reader: nodeIdOf(key.publicKey.text),
      source: new HttpLightSource({ url, log: trust.log, key }),
    });
    return new BcdbSource(options, follower);
  }

  async *changes(cursor: string, signal: AbortSignal): AsyncGenerator<SourceChange> {
    let last = cursor;
    let problem = '';
    for await (const failure of this.#follower.rounds({ signal })) {
      if (failure !== undefined && !isGridError(failure)) throw failure;
      const code = failure?.code ?? '';
      // Told once, however long it lasts; what is here already is gone by meanwhile.
      if (failure !== undefined && code !== problem) {
        this.#logger.warn({ err: failure }, 'the database gives no news');
      }
      problem = code;
      // Looked up each time: a round can begin the follower anew.
      const after = this.#arrivedOf(last);
      const arrivals = [...this.#follower.changes(after)];
      last = this.#cursorOf(arrivals.at(-1)?.arrived ?? after);
      yield { records: arrivals.flatMap(recordsOf), cursor: last, at: this.#follower.logTimeMs };
    }
  }

  viewAgeSeconds(): number {
    return this.#follower.ageSeconds;
  }

  silentSeconds(): number {
    return (this.#heartbeats?.silentMs ?? Number.POSITIVE_INFINITY) / 1000;
  }

  async say({ url, obj, value }: NodeStatement, signal: AbortSignal): Promise<void> {
    const client = await this.#connected(signal);
    await client.write({ ns: 'grid', op: 'put', url, obj, value: { ...value } }, { signal });
  }

  attend({ n, bootId }: NodeSession): void {
    const { url, trust, key } = this.#options;
    const former = this.#heartbeats;
    this.#heartbeats = new HeartbeatSender({
      ...{ url, log: trust.log, key, session: n, boot: bootId, logger: this.#logger },
      node: nodeIdOf(key.publicKey.text),
      checkpoint: () => this.#follower.head,
    });
    void former?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#heartbeats?.close();
    await this.#follower.close();
  }

  async #connected(signal: AbortSignal): Promise<BcdbClient> {
    const { url, trust, key } = this.#options;
    const client = (this.#client ??= BcdbClient.connect({ url, trust, key, signal }));
    try {
      return await client;
    } catch (error) {
      if (this.#client === client) this.#client = undefined;
      throw error;
    }
  }

  /** A follower that was begun anew counts from the start. */
  #arrivedOf(cursor: string): number {
    const [epoch, arrived] = cursor.split(' ');
    return epoch === this.#follower.epoch ? Number(arrived) : 0;
  }

  #cursorOf(arrived: number): string {
    return `${this.#follower.epoch} ${arrived}`;
  }
}

/** What of an arrival a node goes by: records of the grid and of money, as they took effect. */
function recordsOf({ seq, at, changes }: LightArrival): readonly GridRecord[] {
  const change = changes.findLast(({ ns }) => ns === 'grid' || ns === 'wallet');
  if (change === undefined) return [];
  const { author, url, obj, op, value } = change;
  return [{ seq, at, author, url, obj, op, value }];
}
