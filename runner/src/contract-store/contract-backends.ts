import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { writeFileAtomic } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { GridNow } from '@commongrid/bcdb/client';
import type { ContractPaper, ControllerGrid } from '@commongrid/contract';
import type { ContractId, FarmId, GridFold, Node, NodeId, PlacementItem } from '@commongrid/model';

import { placesOf, readBackends, storeBackends, storePasswords } from './store-backends.ts';
import type { BackendEntry, NamespaceTools, StoreRole } from './store-backends.ts';
import { headRoles, storeHeads } from './store-heads.ts';
import type { StoreHeads } from './store-heads.ts';

export interface ContractBackendsOptions {
  /** Folder for them, of the bot alone. */
  readonly folder: string;
  readonly grid: Pick<ControllerGrid, 'node' | 'directory'>;
  readonly logger: Logger;
}

/** A contract with shards. */
export interface ShardedContract {
  readonly paper: ContractPaper;
  /** Those with its namespaces. */
  readonly roles: readonly StoreRole[];
  readonly tools: NamespaceTools;
}

/** Writes where the namespaces of contracts are, and what opens them, and finds the heads that use them. */
export class ContractBackends {
  readonly #o: ContractBackendsOptions;
  /** Contracts of which it was said that nobody can ask their heads. */
  readonly #keyless = new Set<ContractId>();

  constructor(options: ContractBackendsOptions) {
    this.#o = options;
  }

  /** The backends file of a contract, and the folder for the data of a head that is started with it. */
  placesOf(id: ContractId): { readonly file: string; readonly data: string } {
    const folder = join(this.#o.folder, id);
    return { file: join(folder, 'backends.json'), data: join(folder, 'data') };
  }

  /** Brings the backends file to where the namespaces are. @returns its entries; none before it is first written */
  async follow(
    { fold, at }: GridNow,
    { paper, roles, tools }: ShardedContract,
    signal: AbortSignal,
  ): Promise<readonly BackendEntry[]> {
    const { grid, logger } = this.#o;
    const { id } = paper.draft;
    const items = fold.current('grid.placement.1', id)?.items ?? [];
    if (items.length === 0) return [];
    const { file } = this.placesOf(id);
    const former = await readBackends(file);
    const nodes = await this.#nodesOf(fold, items, signal);
    const known = new Map(former.map(({ farm, country }) => [farm, country]));
    const input = { id, roles, places: placesOf(fold, id), former, nodes, tools };
    const isKnown = [...nodes.values()].every(({ farm }) => known.has(farm));
    const farms = isKnown ? undefined : (await grid.directory(at, { signal })).farms;
    const countryOf = (farm: FarmId): string =>
      known.get(farm) ?? farms?.get(farm)?.country ?? 'unknown';
    const entries = storeBackends({ ...input, countryOf });
    if (isDeepStrictEqual(entries, former)) return entries;
    // A store begins with all of its namespaces.
    const wanted = roles.reduce((sum, { replicas }) => sum + replicas, 0);
    if (former.length === 0 && entries.length < wanted) return [];
    await this.#write(paper, roles, entries);
    logger.info({ contract: id, entries: entries.length }, 'a backends file was written');
    return entries;
  }

  /** Heads that run in containers of the contract, and where these are now. */
  async headsOf(
    { fold }: GridNow,
    paper: ContractPaper,
    signal: AbortSignal,
  ): Promise<StoreHeads | undefined> {
    const names = new Set(headRoles(paper).map(({ name }) => name));
    const items = fold.current('grid.placement.1', paper.draft.id)?.items ?? [];
    const own = items.filter(({ role }) => names.has(role));
    const heads = await storeHeads(paper, own, await this.#nodesOf(fold, own, signal));
    const { id: contract } = paper.draft;
    if (heads !== undefined && heads.key === undefined && !this.#keyless.has(contract)) {
      this.#keyless.add(contract);
      const message = 'heads of a store cannot be asked: drains of its contract wait';
      this.#o.logger.warn(
        { contract },
        `${message}; see Heads in a contract in docs/operate/s3.md`,
      );
    }
    return heads;
  }

  /** The file comes last: whoever reads it has the passwords. */
  async #write(
    paper: ContractPaper,
    roles: readonly StoreRole[],
    entries: readonly BackendEntry[],
  ): Promise<void> {
    const { id } = paper.draft;
    const folder = join(this.#o.folder, id);
    await mkdir(join(folder, 'passwords'), { recursive: true, mode: 0o700 });
    for (const [name, value] of await storePasswords(paper, roles)) {
      await writeFileAtomic(join(folder, name), value, { mode: 0o600 });
    }
    const text = `${JSON.stringify(entries, undefined, 2)}\n`;
    await writeFileAtomic(this.placesOf(id).file, text, { mode: 0o600 });
  }

  async #nodesOf(
    fold: GridFold,
    items: readonly PlacementItem[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<NodeId, Node>> {
    const nodes = new Map<NodeId, Node>();
    for (const id of new Set(items.map((item) => item.node))) {
      const known = fold.current('grid.node.1', id);
      const record = known ?? (await this.#o.grid.node(id, { signal }));
      if (record !== undefined) nodes.set(id, record);
    }
    return nodes;
  }
}
