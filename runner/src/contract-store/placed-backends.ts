import { isDeepStrictEqual } from 'node:util';

import { BcdbClient } from '@commongrid/bcdb/client';
import {
  closeOnce,
  isGridError,
  repeat,
  silentLogger,
  waitFor,
  writeFileAtomic,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { parse, workloadIdOf } from '@commongrid/model';
import type {
  ContractId,
  FarmId,
  Node,
  NodeId,
  PlacementItem,
  RecordOf,
  RecordUrl,
  WorkloadId,
  ZdbNamespace,
} from '@commongrid/model';
import { shortIdOf, zdbDoorIn } from '@commongrid/node';

import type { LogTrust } from '../bcdb-trust.ts';
import { namespaceOf, otherField, readBackends, storeBackends } from './store-backends.ts';
import type { BackendEntry, StoreRole } from './store-backends.ts';

export interface PlacedBackendsOptions {
  readonly contract: ContractId;
  /** Its role whose namespaces have shards; roles `log` and `keys` have what these names say. */
  readonly shards: string;
  readonly disk: ZdbNamespace['disk'];
  /** With what opens all of them. Absolute. */
  readonly passwordFile: string;
  /** HTTP door of a database; where contract and nodes are is held to its log. */
  readonly url: string;
  readonly trust: LogTrust;
  /** The backends file that follows the contract. */
  readonly file: string;
  readonly signal: AbortSignal;
  readonly logger?: Logger;
}

/** How often the log is asked, ms. */
const lookEveryMs = 1_000;
/** How often it is looked whether nodes are reached elsewhere, ms. */
const againEveryMs = 30_000;
/** Placements that are looked through for where namespaces were: the newest. */
const placementsMax = 200;
/** For the namespaces of a contract that is just being placed, ms. */
const beginTimeoutMs = 600_000;

/**
 * A backends file that follows a contract, wherever its namespaces go: for heads of a store that run in
 * containers of that very contract, and know no more of it than anybody. While the database is away it stays
 * as it is.
 */
export class PlacedBackends implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: PlacedBackendsOptions;
  readonly #logger: Logger;
  readonly #countries = new Map<FarmId, string>();
  /** Where workloads ever were. */
  readonly #formerNodes = new Map<WorkloadId, Set<NodeId>>();
  readonly #closing = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #client: BcdbClient | undefined;
  /** The file says what the log did then. */
  #settled = { revision: 0, atMs: 0 };
  /** The newest placement of which it is known what was where. */
  #seenSeq = -1;

  private constructor(options: PlacedBackendsOptions) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.close = closeOnce(async () => {
      this.#closing.abort();
      await this.#following;
    });
  }

  /** Resolves once the file names all namespaces of the contract, or was there already. */
  static async open(options: PlacedBackendsOptions): Promise<PlacedBackends> {
    const { file, signal, contract } = options;
    const backends = new PlacedBackends(options);
    if ((await readBackends(file)).length === 0) {
      const what = `the namespaces of ${contract}`;
      const isThere = (): Promise<boolean> => backends.#lookOrTell(signal);
      await waitFor(isThere, { timeoutMs: beginTimeoutMs, everyMs: lookEveryMs, what, signal });
    }
    backends.#follow();
    return backends;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #follow(): void {
    const { signal } = this.#closing;
    this.#following = repeat(lookEveryMs, () => this.#lookOnce(signal), {
      signal,
      onError: (err) => this.#logger.warn({ err }, 'the backends file does not follow'),
    });
  }

  async #lookOnce(signal: AbortSignal): Promise<void> {
    await this.#look(signal);
  }

  async #lookOrTell(signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#look(signal);
    } catch (err) {
      if (!isGridError(err) || signal.aborted) throw err;
      this.#logger.warn({ err }, 'the namespaces of the contract are not found yet');
      return false;
    }
  }

  /** Brings the file to where the namespaces are; whether there is one. */
  async #look(signal: AbortSignal): Promise<boolean> {
    const { contract, file } = this.#options;
    const placement = await this.#read('grid.placement.1', contract, signal);
    const { revision = 0, items = [] } = placement ?? {};
    const isSettled = revision === this.#settled.revision;
    if (isSettled && Date.now() - this.#settled.atMs < againEveryMs) return true;
    const roles = this.#rolesOf(items);
    const former = await readBackends(file);
    const places = new Map<WorkloadId, NodeId>();
    const nodes = new Map<NodeId, Node>();
    if (!isSettled) await this.#readFormer(signal);
    for (const { role, replica, node } of items) {
      if (!roles.some(({ name }) => name === role)) continue;
      const workload = workloadIdOf(contract, role, replica);
      if (await this.#isHealthy(`${node}/${workload}`, signal)) places.set(workload, node);
      for (const each of [node, ...this.#formerAt(workload)]) {
        const record = nodes.get(each) ?? (await this.#read('grid.node.1', each, signal));
        if (record === undefined) continue;
        nodes.set(each, record);
        await this.#findCountry(record.farm, signal);
      }
    }
    const entries = storeBackends({
      ...{ id: contract, roles, former, nodes, tools: { shortIdOf, zdbDoorIn } },
      // What took former places is not asked for: a backend that is gone for good is named a while longer.
      places: {
        readyAt: (workload) => places.get(workload),
        isBuried: () => false,
        formerAt: (workload) => this.#formerAt(workload),
      },
      countryOf: (farm) => this.#countries.get(farm) ?? 'unknown',
    });
    const wanted = roles.reduce((sum, { replicas }) => sum + replicas, 0);
    if (wanted === 0 || (former.length === 0 && entries.length < wanted)) return false;
    // What is placed nowhere for a while, as a single writer between two nodes, comes again.
    const named = new Set(entries.map(namespaceOf));
    const all = [...entries, ...former.filter((one) => !named.has(namespaceOf(one)))];
    if (!isDeepStrictEqual(all, former)) await this.#write(all);
    if (places.size === wanted) this.#settled = { revision, atMs: Date.now() };
    return true;
  }

  /** By the node's word of what is placed there now: one of an earlier stay says nothing. */
  async #isHealthy(place: string, signal: AbortSignal): Promise<boolean> {
    const event = await this.#read('grid.event.1', place, signal);
    if (event?.phase !== 'healthy') return false;
    const slice = await this.#read('grid.slice.1', place, signal);
    return event.revision >= (slice?.revision ?? 0);
  }

  #formerAt(workload: WorkloadId): readonly NodeId[] {
    return [...(this.#formerNodes.get(workload) ?? [])];
  }

  /** A head that begins where another one was lost has to know what is gone for good. */
  async #readFormer(signal: AbortSignal): Promise<void> {
    const { contract } = this.#options;
    const client = await this.#connected(signal);
    const versions = await client.history('grid', 'grid.placement.1', contract, {
      limit: placementsMax,
      signal,
    });
    const fresh = versions.filter(({ seq }) => seq > this.#seenSeq);
    for (const { seq } of fresh) {
      const { value } = await client.proveRecord(seq, { signal });
      if (value === undefined) continue;
      for (const { role, replica, node } of parse('grid.placement.1', value).items) {
        const workload = workloadIdOf(contract, role, replica);
        const nodes = this.#formerNodes.get(workload) ?? new Set();
        this.#formerNodes.set(workload, nodes.add(node));
      }
    }
    this.#seenSeq = Math.max(this.#seenSeq, ...fresh.map(({ seq }) => seq));
  }

  #rolesOf(items: readonly PlacementItem[]): readonly StoreRole[] {
    const { shards, disk, passwordFile } = this.#options;
    const names = [...new Set(items.map(({ role }) => role))];
    return names.flatMap((name): StoreRole[] => {
      const field = name === shards ? 'namespace' : otherField(name);
      const own = items.filter(({ role }) => role === name);
      const replicas = 1 + Math.max(...own.map(({ replica }) => replica));
      return field === undefined ? [] : [{ name, replicas, disk, field, passwordFile }];
    });
  }

  async #write(entries: readonly BackendEntry[]): Promise<void> {
    const { file, contract } = this.#options;
    await writeFileAtomic(file, `${JSON.stringify(entries, undefined, 2)}\n`, { mode: 0o600 });
    this.#logger.info({ contract, entries: entries.length }, 'a backends file was written');
  }

  async #findCountry(farm: FarmId, signal: AbortSignal): Promise<void> {
    if (this.#countries.has(farm)) return;
    const found = await this.#read('grid.farm.1', farm, signal);
    if (found !== undefined) this.#countries.set(farm, found.location.country);
  }

  async #connected(signal: AbortSignal): Promise<BcdbClient> {
    const { url, trust } = this.#options;
    return (this.#client ??= await BcdbClient.connect({ url, trust, signal }));
  }

  /** The newest version, proven by the log; undefined where there is none. */
  async #read<Url extends RecordUrl>(
    url: Url,
    obj: string,
    signal: AbortSignal,
  ): Promise<RecordOf<Url> | undefined> {
    const client = await this.#connected(signal);
    try {
      const { value } = await client.prove('grid', url, obj, { signal });
      return value === undefined ? undefined : parse(url, value);
    } catch (error) {
      if (isGridError(error, 'BCDB_NOT_FOUND')) return undefined;
      throw error;
    }
  }
}
