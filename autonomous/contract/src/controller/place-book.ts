import type { Clock } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';
import { freeOf } from '../directory/directory.ts';
import type { Directory, Use } from '../directory/directory.ts';
import type { ControllerGrid } from './ports.ts';

/** How old a directory may be that contracts are planned with, ms. */
const directoryAgeMsMax = 1_000;

interface Claim {
  readonly uses: readonly Use[];
  /** The first reading of the directory that has what was claimed; undefined while it is not placed. */
  readonly seenBy?: number;
}

/**
 * The directory, read once for many contracts, less what others of them were just promised: no two plans
 * of one controller count on the same room.
 */
export class PlaceBook {
  readonly #grid: Pick<ControllerGrid, 'directory'>;
  readonly #clock: Clock;
  readonly #claims = new Map<ContractId, Claim>();
  #readings = 0;
  #newest: { readonly directory: Promise<Directory>; readonly readMs: number } | undefined;

  constructor(grid: Pick<ControllerGrid, 'directory'>, clock: Clock) {
    this.#grid = grid;
    this.#clock = clock;
  }

  /** @param at log time, ms since 1970 */
  async directory(contract: ContractId, at: number, signal: AbortSignal): Promise<Directory> {
    const { nodes, ...rest } = await this.#read(at, signal);
    const others = [...this.#claims].filter(([id]) => id !== contract);
    const uses = Map.groupBy(
      others.flatMap(([, claim]) => claim.uses),
      ({ node }) => node,
    );
    if (uses.size === 0) return { nodes, ...rest };
    return {
      ...rest,
      nodes: nodes.map((node) => {
        const claimed = uses.get(node.id);
        return claimed === undefined ? node : { ...node, free: freeOf(node.free, claimed) };
      }),
    };
  }

  /** What a contract is about to use; it takes the place of what it claimed before. */
  claim(contract: ContractId, uses: readonly Use[]): void {
    this.#claims.set(contract, { uses });
  }

  /** What was claimed is in the log now: whoever reads the directory anew sees it there. */
  settle(contract: ContractId): void {
    const claim = this.#claims.get(contract);
    if (claim !== undefined) this.#claims.set(contract, { ...claim, seenBy: this.#readings + 1 });
  }

  /** The contract will not use what it claimed. */
  drop(contract: ContractId): void {
    this.#claims.delete(contract);
  }

  async #read(at: number, signal: AbortSignal): Promise<Directory> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#newest;
    if (known !== undefined && nowMs - known.readMs < directoryAgeMsMax) return known.directory;
    const reading = ++this.#readings;
    const directory = this.#grid.directory(at, { signal });
    const newest = { directory, readMs: nowMs };
    this.#newest = newest;
    try {
      const read = await directory;
      for (const [contract, { seenBy = Infinity }] of this.#claims) {
        if (seenBy <= reading) this.#claims.delete(contract);
      }
      return read;
    } catch (error) {
      if (this.#newest === newest) this.#newest = undefined;
      throw error;
    }
  }
}
