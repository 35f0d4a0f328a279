import { join } from 'node:path';
import { closeOnce, waitFor } from '@commongrid/base';
import { botIdOf } from '@commongrid/model';
import { HttpHeadSource } from '../../src/client/http-head-source.ts';
import { HttpLightSource } from '../../src/client/http-light-source.ts';
import { HttpLogSource } from '../../src/client/http-log-source.ts';
import { Follower } from '../../src/follow/follower.ts';
import { HeadFollower } from '../../src/follow/head-follower.ts';
import { LightFollower } from '../../src/follow/light-follower.ts';
import { keyOf } from '../../src/testing/feeds-town.ts';
import { CountingProxy } from './counting-proxy.ts';
import { diskUse } from './disk-use.ts';
import type { DiskUse } from './disk-use.ts';
import type { GridFacts } from './grid-server.ts';
import { participantName } from './participants.ts';

/** Longest time that full copies take for what was written in one step. */
const stepTimeoutMs = 120_000;

/** Follows the log in a folder of its own, through a proxy that counts. */
interface Member {
  readonly dataDir: string;
  readonly proxy: CountingProxy;
  /** Resolves once it knows the log up to this size. */
  readonly reach: (size: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

export type Kind = 'full' | 'heads' | 'own';

export interface FleetOptions {
  readonly folder: string;
  readonly facts: GridFacts;
  readonly ownerToken: string;
  /** How many of each kind. */
  readonly counts: Readonly<Record<Kind, number>>;
}

/** What one follower takes, in bytes; the middle one, the least and the most of its kind. */
export interface Spread {
  readonly count: number;
  readonly middle: number;
  readonly least: number;
  readonly most: number;
}

/** Followers of one log: full copies, those that keep heads, those that keep their own records. */
export class Fleet implements AsyncDisposable {
  /** Followers and proxies; what they kept stays. */
  readonly close: () => Promise<void>;
  readonly #members: Readonly<Record<Kind, Member[]>> = { full: [], heads: [], own: [] };

  private constructor() {
    this.close = closeOnce(async () => {
      const all = kinds.flatMap((kind) => this.#members[kind]);
      await Promise.all(all.map((member) => member.close()));
      await Promise.all(all.map(({ proxy }) => proxy[Symbol.asyncDispose]()));
    });
  }

  static async open(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet();
    for (const kind of kinds) {
      for (let index = 0; index < options.counts[kind]; index++) {
        const dataDir = join(options.folder, `${kind}-${index}`);
        const proxy = await CountingProxy.open(options.facts.port);
        const opened = await openers[kind]({ ...options, dataDir, url: proxy.url, index });
        fleet.#members[kind].push({ dataDir, proxy, ...opened });
      }
    }
    return fleet;
  }

  /** Resolves once all know the log up to this size. */
  async reach(size: number): Promise<void> {
    const all = kinds.flatMap((kind) => this.#members[kind]);
    await Promise.all(all.map((member) => member.reach(size)));
  }

  /** Bytes that went over the sockets of each follower of a kind, both ways. */
  sent(kind: Kind): Spread {
    return spreadOf(this.#members[kind].map(({ proxy }) => proxy.bytes));
  }

  /** Disk that each follower of a kind takes now. */
  async stored(kind: Kind, which: keyof DiskUse): Promise<Spread> {
    const uses = await Promise.all(this.#members[kind].map(({ dataDir }) => diskUse(dataDir)));
    return spreadOf(uses.map((use) => use[which]));
  }

  /** Folder of a follower. */
  folderOf(kind: Kind): string {
    return this.#members[kind][0]?.dataDir ?? '';
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

const kinds: readonly Kind[] = ['full', 'heads', 'own'];

interface OpenOptions extends FleetOptions {
  readonly dataDir: string;
  readonly url: string;
  readonly index: number;
}

type Opened = Pick<Member, 'reach' | 'close'>;

const openers: Readonly<Record<Kind, (options: OpenOptions) => Promise<Opened>>> = {
  full: async ({ dataDir, url, facts: { log, genesis }, ownerToken }) => {
    const source = new HttpLogSource({ url, log, token: ownerToken });
    const follower = await Follower.open({ dataDir, genesis, log, source });
    const reach = async (size: number): Promise<void> => {
      const isThere = (): boolean => follower.ledger.head.size >= size;
      await waitFor(isThere, { what: 'a full copy', timeoutMs: stepTimeoutMs });
    };
    return { reach, close: follower.close };
  },
  heads: async ({ dataDir, url, facts: { log, genesis } }) => {
    const trust = { log, sequencerKey: genesis.sequencer };
    const source = new HttpHeadSource({ url, log });
    const follower = await HeadFollower.open({ dataDir, trust, source });
    const reach = async (size: number): Promise<void> => {
      await follower.sync();
      requireSize(follower.head?.size, size);
    };
    return { reach, close: follower.close };
  },
  own: async ({ dataDir, url, facts: { log, genesis }, index }) => {
    const trust = { log, sequencerKey: genesis.sequencer };
    const name = participantName(index);
    const reader = botIdOf(keyOf(`${name} root`).publicKey.text);
    const source = new HttpLightSource({ url, log, key: keyOf(`${name} device`) });
    const follower = await LightFollower.open({ dataDir, trust, reader, source });
    const reach = async (size: number): Promise<void> => {
      await follower.sync();
      requireSize(follower.size, size);
    };
    return { reach, close: follower.close };
  },
};

function requireSize(actual: number | undefined, expected: number): void {
  if (actual === expected) return;
  throw new Error(`a follower is at ${actual} of ${expected} records`);
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted.at(index) ?? Number.NaN;
  const middle = at(Math.floor(sorted.length / 2));
  return { count: sorted.length, middle, least: at(0), most: at(-1) };
}
