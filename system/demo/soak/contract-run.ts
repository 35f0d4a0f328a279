import { delay, isGridError } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import type { ContractStatus } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';

import { build, statusOf } from '../archive/board.ts';
import type { BuiltContract } from '../archive/board.ts';
import { drawnOne } from '../archive/outage.ts';
import type { DemoTown } from '../demo-town.ts';
import { recordsOf } from '../records-of.ts';
import { smallContract, smallKinds, smallPlaces } from './small-contract.ts';
import type { SmallChoices } from './small-contract.ts';

export interface ContractRunOptions {
  readonly town: DemoTown;
  readonly random: Random;
  /** Ends it: no other contract begins, and what runs is removed. */
  readonly over: AbortSignal;
  readonly note: (text: string) => void;
}

/** For each state of a contract, ms: a machine may be lost meanwhile, and come back. */
const stateMs = 240_000;
/** For a command that others may be in the way of, ms. */
const commandMs = 120_000;
/** Longest pause between two contracts, and longest time that one runs, s. */
const secondsMax = { pause: 8, running: 15 } as const;

/** Small contracts of the buyer, one after the other: they begin, have other versions, and end. */
export class ContractRun {
  /** Removed with all their versions, and not yet asked for by `takeRemoved`. */
  #removed: ContractId[] = [];
  /** Contracts that came to their end, and versions that were taken back. */
  readonly counts = { ended: 0, upgraded: 0, takenBack: 0 };
  readonly #options: ContractRunOptions;
  #number = 0;

  constructor(options: ContractRunOptions) {
    this.#options = options;
  }

  /** Contracts that were removed since it was asked last. */
  takeRemoved(): readonly ContractId[] {
    const removed = this.#removed;
    this.#removed = [];
    return removed;
  }

  /** @throws when one does not become what it is to be */
  async run(): Promise<void> {
    const { random, over } = this.#options;
    while (!over.aborted) {
      await this.#pause(secondsMax.pause);
      if (over.aborted) return;
      const kind = drawnOne(smallKinds, random);
      const first = await this.#begin({ kind, works: true });
      await this.#pause(secondsMax.running);
      const versions = [
        first,
        ...(kind === 'page' && !over.aborted ? await this.#next(first) : []),
      ];
      await this.#remove(versions);
    }
  }

  /** Another version takes the place of one; or does not work, and is taken back. @returns it */
  async #next(former: BuiltContract): Promise<readonly BuiltContract[]> {
    const { town, random } = this.#options;
    const works = random.int(0, 2) === 0;
    const next = await this.#propose({ kind: 'page', works, replaces: former.id });
    if (works) {
      await this.#ready(next, 1);
      await this.#until(`${former.id} to make room`, former, (now) => now.workloads.length === 0);
      this.counts.upgraded++;
    } else {
      await town.until(
        `${next.id} to be taken back`,
        this.#calmly(async () => {
          const placements = await recordsOf(town, 'grid.placement.1');
          const own = placements.find(({ contract }) => contract === next.id);
          return own?.reason === 'rollback' && own.items.length === 0;
        }),
        stateMs,
      );
      this.counts.takenBack++;
    }
    return [next];
  }

  async #begin(choices: Pick<SmallChoices, 'kind' | 'works'>): Promise<BuiltContract> {
    const built = await this.#propose(choices);
    await this.#ready(built, smallPlaces(choices.kind));
    return built;
  }

  /** Builds and signs it. */
  async #propose(choices: Omit<SmallChoices, 'name'>): Promise<BuiltContract> {
    const { town, note } = this.#options;
    const name = `soak-${++this.#number}`;
    let built: BuiltContract | undefined;
    let tries = 0;
    await this.#surely(`${name} to be built`, async () => {
      built = await build(town, `${name}-${++tries}`, smallContract({ name, ...choices }));
    });
    if (built === undefined) throw new Error(`${name} was not built`);
    const { id, file } = built;
    const words = ['contract', 'propose', file];
    await this.#surely(`${name} to be proposed`, () => town.as('buyer', ...words));
    const isSigned = async (): Promise<boolean> => isAgreed(await statusOf(town, id));
    const sign = (): Promise<unknown> => town.as('buyer', 'contract', 'sign', id, '--yes');
    await this.#surely(`${name} to be signed`, sign, isSigned);
    note(`${name} is agreed: ${wordsOf(choices)}`);
    return built;
  }

  async #remove(versions: readonly BuiltContract[]): Promise<void> {
    const { town, note } = this.#options;
    for (const { id } of versions) {
      const isRemoved = async (): Promise<boolean> => isEnd(await statusOf(town, id));
      const remove = (): Promise<unknown> => town.as('buyer', 'contract', 'remove', id, '--yes');
      await this.#surely(`${id} to be removed`, remove, isRemoved);
    }
    for (const one of versions) {
      await this.#until(`${one.id} to end`, one, ({ phase }) => phase === 'closed');
      this.#removed.push(one.id);
      this.counts.ended++;
    }
    note(`${versions.length === 1 ? 'a contract' : `${versions.length} versions`} removed`);
  }

  #ready(built: BuiltContract, places: number): Promise<void> {
    return this.#until(`${built.id} to be ready`, built, ({ readyCount, workloads }) => {
      return readyCount === places && workloads.length === places;
    });
  }

  async #until(
    what: string,
    { id }: BuiltContract,
    isSo: (status: ContractStatus) => boolean,
  ): Promise<void> {
    const { town } = this.#options;
    let last: ContractStatus | undefined;
    const look = this.#calmly(async () => {
      last = await statusOf(town, id);
      return isSo(last);
    });
    try {
      await town.until(what, look, stateMs);
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
      throw new Error(`${error.message}: ${JSON.stringify(last)}`, { cause: error });
    }
  }

  /** Gives a command until it is taken, or what it is for is so: an answer may be lost on its way. */
  async #surely(
    what: string,
    act: () => Promise<unknown>,
    isDone = async (): Promise<boolean> => false,
  ): Promise<void> {
    const { town } = this.#options;
    let why: unknown;
    const attempt = this.#calmly(async () => {
      try {
        await act();
        return true;
      } catch (error) {
        why = error;
        return isDone();
      }
    });
    try {
      await town.until(what, attempt, commandMs);
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
      throw new Error(`${error.message}: ${String(why)}`, { cause: error });
    }
  }

  /** Whoever is asked may be harmed just now: then it is not so yet. */
  #calmly(look: () => Promise<boolean>): () => Promise<boolean> {
    return async () => {
      try {
        return await look();
      } catch {
        this.#options.town.signal.throwIfAborted();
        return false;
      }
    };
  }

  async #pause(seconds: number): Promise<void> {
    const { random, over } = this.#options;
    await delay(random.float() * seconds * 1_000, { signal: over }).catch(() => {});
  }
}

function isAgreed({ phase }: ContractStatus): boolean {
  return phase !== 'proposed' && phase !== 'signing';
}

/** Whether a contract ends, or did. */
function isEnd({ phase }: ContractStatus): boolean {
  return phase === 'removing' || phase === 'closed';
}

function wordsOf({ kind, works, replaces }: Omit<SmallChoices, 'name'>): string {
  if (replaces === undefined) return `a ${kind}`;
  return works ? `another version of a ${kind}` : `a version of a ${kind} that does not work`;
}
