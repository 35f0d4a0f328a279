import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

import { closeOnce, repeat, silentLogger, systemClock } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { ContractPapers, ControllerGrid, DispersedData } from '@commongrid/contract';
import { workloadParts } from '@commongrid/model';
import type { ContractId, GridFold, NodeId, WorkloadId } from '@commongrid/model';

import { askStore } from './ask-store.ts';
import { ContractBackends } from './contract-backends.ts';
import { repeatByNews } from './repeat-by-news.ts';
import { filledIn, lacking, shardsOf } from './store-answers.ts';
import type { ShardStanding } from './store-answers.ts';
import {
  followsPlacement,
  namespaceOf,
  placesOf,
  storeRoles,
  whereReady,
} from './store-backends.ts';
import type { BackendEntry, NamespaceTools } from './store-backends.ts';
import type { StoreHeads } from './store-heads.ts';

export interface ContractStoresOptions {
  /** Folder for them, of the bot alone. */
  readonly folder: string;
  readonly grid: Pick<ControllerGrid, 'now' | 'node' | 'directory' | 'changed'>;
  readonly papers: ContractPapers;
  readonly logger?: Logger;
}

/** The store of a contract. */
export interface StoreStanding {
  /** Its backends file, which follows the contract. */
  readonly backends: string;
  /** The folder in which a head beside the bot is found, wherever that leads. */
  readonly data: string;
  /** Null while no head of it answers. */
  readonly shards: ShardStanding | null;
  /**
   * Nothing at replaced places is needed any more, of the log and of keys either, and no shard is missing or
   * beside another one.
   */
  readonly isWhole: boolean;
  /** What keeps it from that, in words; null where it is whole. */
  readonly lacks: string | null;
}

/** While the backends file is not up to date. */
const isNotFollowed = 'its backends file does not say yet where all namespaces are placed';

/** How often it is looked how stores are, and without news where contracts have their namespaces, ms. */
const lookEveryMs = 1_000;
/** Least time between two looks where namespaces are, ms. */
const lookRestMs = 100;

interface KeptStore {
  readonly entries: readonly BackendEntry[];
  readonly standing: StoreStanding;
  /** A head was started with them here, be it long ago. */
  readonly isUsed: boolean;
  /** The store said with these entries that it needs nothing at replaced places. */
  readonly isClear: boolean;
  /** Nodes of namespaces to which all has come, as the store said last; undefined before it said anything. */
  readonly filled: ReadonlyMap<string, string> | undefined;
}

interface Asked extends Pick<KeptStore, 'entries'> {
  readonly isCurrent: boolean;
  readonly heads: StoreHeads | undefined;
}

interface FollowedStore extends Asked {
  /** Which node each namespace runs on. */
  readonly where: string;
  /** When its entries were made, ms of the monotonic clock. */
  readonly atMs: number;
}

/**
 * Lets stores follow the contracts whose namespaces they use. For each contract with shards there is a folder
 * ID in that of the bot, mode 700:
 *
 *     backends.json   where its namespaces are: written once all run, and anew when one runs elsewhere
 *     passwords/NAME  what opens them
 *     data/           of the head that is started with that file: `grid s3 serve --backends … --data …`
 *
 * Heads that run in containers of the contract follow it by themselves (`PlacedBackends`), and are asked where
 * they publish. A head reads its file again by itself, and makes again what replaced backends had. One beside the bot
 * is asked at its control socket how far it is. Nothing but the file is remembered: whoever was killed asks again.
 */
export class ContractStores implements DispersedData, AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: ContractStoresOptions;
  readonly #logger: Logger;
  readonly #kept = new Map<ContractId, KeptStore>();
  /** As of the newest look. */
  #followed: ReadonlyMap<ContractId, FollowedStore> = new Map();
  readonly #backends: ContractBackends;
  #tools: NamespaceTools | undefined;

  private constructor(options: ContractStoresOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    const closing = new AbortController();
    const { signal } = closing;
    const onError = (err: unknown): void =>
      this.#logger.warn({ err }, 'stores of contracts cannot be looked after');
    const { grid, folder } = options;
    this.#backends = new ContractBackends({ folder, grid, logger: this.#logger });
    // A store that takes long to answer, or never does, is told of its namespaces all the same.
    const working = Promise.all([
      repeatByNews(() => this.#look(signal), {
        ...{ everyMs: lookEveryMs, restMs: lookRestMs, signal, onError },
        changed: (until) => grid.changed(until),
      }),
      repeat(lookEveryMs, () => this.#askAll(signal), { signal, onError }),
    ]);
    this.close = closeOnce(async () => {
      closing.abort();
      await working;
    });
  }

  static open(options: ContractStoresOptions): ContractStores {
    return new ContractStores(options);
  }

  isElsewhere(workload: WorkloadId, node: NodeId): boolean {
    const id = this.#tools?.shortIdOf(workload);
    const kept = this.#kept.get(workloadParts(workload).contract);
    const entry = kept?.entries.find((one) => id !== undefined && namespaceOf(one) === id);
    return kept?.isClear === true && entry?.node === node;
  }

  isHollow(workload: WorkloadId, node: NodeId): boolean {
    const id = this.#tools?.shortIdOf(workload);
    const { filled } = this.#kept.get(workloadParts(workload).contract) ?? {};
    return id !== undefined && filled !== undefined && filled.get(id) !== node;
  }

  isBeingRepaired(contract: ContractId, fold: GridFold): boolean {
    const [kept, paper] = [this.#kept.get(contract), this.#options.papers.of(contract)];
    if (kept === undefined || paper === undefined || this.#tools === undefined) return false;
    const { entries, isClear, isUsed } = kept;
    const [id, roles, tools] = [contract, storeRoles(paper), this.#tools];
    return isUsed && !(isClear && followsPlacement(fold, { id, roles, entries, tools }));
  }

  /**
   * Undefined for a contract that has no shards, or was not looked at yet.
   * @param workloads where they are placed now: a store is not whole that does not know that
   */
  standingOf(
    id: ContractId,
    workloads: readonly { readonly id: WorkloadId; readonly node: NodeId }[],
  ): StoreStanding | undefined {
    const { entries, standing } = this.#kept.get(id) ?? {};
    if (entries === undefined || standing === undefined) return undefined;
    const known = new Map(entries.map((entry) => [namespaceOf(entry), entry.node]));
    const isFollowed = workloads.every(({ id: workload, node }) => {
      const at = known.get(this.#tools?.shortIdOf(workload) ?? '');
      return at === undefined || at === node;
    });
    return isFollowed ? standing : { ...standing, isWhole: false, lacks: isNotFollowed };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { grid, papers } = this.#options;
    const stores = papers.ids().flatMap((id) => {
      const paper = papers.of(id);
      const roles = paper === undefined ? [] : storeRoles(paper);
      return paper === undefined || roles.length === 0 ? [] : [{ id, paper, roles }];
    });
    if (stores.length === 0) return;
    // Only bots that have such contracts need to know what nodes know.
    const tools = (this.#tools ??= await import('@commongrid/node'));
    const now = await grid.now({ signal });
    const followed = new Map<ContractId, FollowedStore>();
    for (const { id, paper, roles } of stores) {
      await this.#orWarn(id, signal, async () => {
        const where = whereReady(id, roles, placesOf(now.fold, id));
        const before = this.#followed.get(id);
        const nowMs = systemClock.monotonicMs();
        const isOld = before?.where !== where || nowMs - before.atMs >= lookEveryMs;
        const input = { paper, roles, tools };
        const entries = isOld ? await this.#backends.follow(now, input, signal) : before.entries;
        if (entries.length === 0) return;
        const isCurrent = followsPlacement(now.fold, { id, roles, entries, tools });
        const heads = isOld ? await this.#backends.headsOf(now, paper, signal) : before.heads;
        const atMs = isOld ? nowMs : before.atMs;
        followed.set(id, { entries, isCurrent, heads, where, atMs });
      });
    }
    this.#followed = followed;
  }

  async #askAll(signal: AbortSignal): Promise<void> {
    for (const [id, followed] of this.#followed) {
      await this.#orWarn(id, signal, () => this.#ask(id, followed, signal));
    }
  }

  /** What befalls one store does not hold up others. */
  async #orWarn(
    contract: ContractId,
    signal: AbortSignal,
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await work();
    } catch (err) {
      if (signal.aborted) throw err;
      this.#logger.warn({ err, contract }, 'the store of a contract cannot be looked after');
    }
  }

  /** Asks the head how far it is; thoroughly, once it seems to be done. */
  async #ask(
    id: ContractId,
    { entries, isCurrent, heads }: Asked,
    signal: AbortSignal,
  ): Promise<void> {
    const logger = this.#logger;
    const before = this.#kept.get(id);
    const isSame = before !== undefined && isDeepStrictEqual(before.entries, entries);
    const { data, file } = this.#backends.placesOf(id);
    let status = await askStore({ data, heads, action: 'status', signal, logger });
    const wasClear = isSame && before.isClear && isCurrent;
    const isMute = heads !== undefined && heads.key === undefined;
    const judge = (): string | null => {
      if (!isCurrent) return isNotFollowed;
      if (status !== undefined) return lacking(status, entries);
      if (wasClear) return null;
      return isMute ? 'its heads cannot be asked without a key' : 'no head of it answers';
    };
    let lacks = judge();
    if (status !== undefined && lacks === null && !wasClear) {
      status = await askStore({ data, heads, action: 'survey', signal, logger });
      lacks = judge();
    }
    const isClear = lacks === null;
    const shards = status === undefined ? null : shardsOf(status, entries);
    const isUsed = before?.isUsed === true || heads !== undefined || existsSync(data);
    const filled = status === undefined ? before?.filled : filledIn(status, entries);
    this.#kept.set(id, {
      entries,
      isUsed,
      isClear,
      filled,
      standing: { backends: file, data, shards, isWhole: isClear, lacks },
    });
  }
}
