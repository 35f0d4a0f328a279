import { delay, isGridError } from '@commongrid/base';

import type { ArchiveScene } from '../archive/archive-scene.ts';
import { isWhole } from '../archive/contract-places.ts';
import { servingHead } from '../archive/head-lost-step.ts';
import { traitsOf } from './fault-kinds.ts';
import { isBorne } from './fault-schedule.ts';
import type { Fault, TownSizes } from './fault-schedule.ts';
import type { BegunFault } from './faults/begun-fault.ts';
import { faultTable } from './faults/fault-table.ts';
import { machineOf } from './faults/machine-faults.ts';
import { farmerOf, runs } from './faults/service-faults.ts';
import type { HealedFault } from './watch/watch-types.ts';

export interface FaultRunOptions {
  readonly scene: ArchiveScene;
  readonly schedule: Iterator<Fault, never>;
  readonly sizes: TownSizes;
  /** Ends it: no other fault begins, and what goes on comes to its end. */
  readonly over: AbortSignal;
  /** A fault begins, or found nothing to befall. */
  readonly note: (text: string) => void;
  readonly onHealed: (fault: HealedFault, lastedMs: number) => void;
  /** Called whenever no fault goes on, and all is well, with what healed since. */
  readonly onCalm: (healed: readonly HealedFault[]) => Promise<void>;
}

/** Brings faults about, one after the other or some at once, never more than is borne, each until all is well again. */
export class FaultRun {
  readonly #options: FaultRunOptions;
  readonly #active = new Map<Fault, Promise<void>>();
  #healed: HealedFault[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(options: FaultRunOptions) {
    this.#options = options;
  }

  /** @throws what did not heal: nothing that is seen after it would mean anything */
  async run(): Promise<void> {
    const { schedule, over } = this.#options;
    try {
      while (!over.aborted && this.#failure === undefined) {
        const fault = schedule.next().value;
        await delay(fault.pauseSeconds * 1_000, { signal: over }).catch(() => {});
        await this.#untilBorne(fault);
        if (over.aborted || this.#failure !== undefined) break;
        const done = this.#befall(fault)
          .catch((error: unknown) => {
            this.#failure ??= { error };
          })
          .finally(() => this.#active.delete(fault));
        this.#active.set(fault, done);
      }
    } finally {
      await Promise.all(this.#active.values());
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    await this.#calm();
  }

  async #untilBorne(fault: Fault): Promise<void> {
    if (!fault.joins) await Promise.all(this.#active.values());
    while (!isBorne([...this.#active.keys()], fault, this.#options.sizes)) {
      await Promise.race(this.#active.values());
    }
    if (this.#active.size === 0 && this.#failure === undefined) await this.#calm();
  }

  async #calm(): Promise<void> {
    const healed = this.#healed;
    this.#healed = [];
    await this.#options.onCalm(healed);
  }

  async #befall(fault: Fault): Promise<void> {
    const { scene, note, onHealed } = this.#options;
    const { kind, seconds } = fault;
    const [atMs, startedMs] = [Date.now(), performance.now()];
    const begun = await faultTable[kind](scene, fault);
    if (begun === undefined) {
      note(`${kind}: there is none on ${victimName(scene, fault)}`);
      return;
    }
    note(`${kind}: ${begun.victim}${seconds === 0 ? '' : `, for ${seconds.toFixed(0)} s`}`);
    const lastedMs = await this.#endure(fault, begun, startedMs);
    await this.#well(fault);
    const healed = { kind, victim: begun.victim, atMs, healedMs: performance.now() - startedMs };
    this.#healed.push(healed);
    onHealed(healed, lastedMs);
  }

  /** Lets a fault last, and ends it in any case. @returns how long it lasted, ms */
  async #endure(fault: Fault, begun: BegunFault, startedMs: number): Promise<number> {
    const { scene } = this.#options;
    try {
      // What ran on a machine without power runs elsewhere before it has power again.
      if (fault.kind === 'machine killed') await this.#untilWell(fault);
      else await delay(fault.seconds * 1_000, { signal: scene.town.signal });
    } finally {
      await begun.end();
    }
    return performance.now() - startedMs;
  }

  /** Waits until all that a fault befell is there again, and all is well. */
  async #well(fault: Fault): Promise<void> {
    const { scene } = this.#options;
    const { signal } = scene.town;
    const { target } = fault;
    if (target.place === 'machine') await machineOf(scene, fault).inService(signal);
    await this.#untilWell(fault, async () => {
      if (target.place === 'farmer') return farmerOf(scene, fault).answers(signal);
      if (target.place === 'head') return (await servingHead(scene)) !== undefined;
      return target.place !== 'service' || runs(scene.town, target.name);
    });
  }

  async #untilWell(fault: Fault, isBack = async (): Promise<boolean> => true): Promise<void> {
    const { scene } = this.#options;
    const { town } = scene;
    const { kind, seconds } = fault;
    let last: unknown;
    const look = async (): Promise<boolean> => {
      try {
        const powerless = town.nodes.filter(({ hasPower }) => !hasPower);
        return (await isBack()) && (await isWhole(scene, powerless));
      } catch (error) {
        // Whoever is asked may be harmed by another fault just now.
        town.signal.throwIfAborted();
        last = error;
        return false;
      }
    };
    const limitMs = (traitsOf(kind).healSeconds + seconds) * 1_000;
    try {
      await town.until(
        `all to be well after ${kind} of ${victimName(scene, fault)}`,
        look,
        limitMs,
      );
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT') || last === undefined) throw error;
      const why = last instanceof Error ? last.message : 'nobody said why';
      throw new Error(`${error.message}: ${why}`, { cause: error });
    }
  }
}

function victimName(scene: ArchiveScene, fault: Fault): string {
  const { target } = fault;
  if (target.place === 'machine') return machineOf(scene, fault).name;
  if (target.place === 'farmer') return farmerOf(scene, fault).name;
  return target.place === 'service' ? target.name : 'the head that serves';
}
