import { formatBytes, GridError, isGridError, Mutex, repeat, seededRandom } from '@commongrid/base';

import { newStoreSecrets, placesOf } from '../archive/archive-contract.ts';
import type { ArchiveScene } from '../archive/archive-scene.ts';
import { untilReady } from '../archive/contract-places.ts';
import { load } from '../archive/data-step.ts';
import { marketStep } from '../archive/market-step.ts';
import { pageStep } from '../archive/page-step.ts';
import { paymentStep } from '../archive/payment-step.ts';
import { planStep } from '../archive/plan-step.ts';
import { signingStep } from '../archive/signing-step.ts';
import { rcloneVersion } from '../data/rclone.ts';
import { DemoFolder } from '../demo-folder.ts';
import { DemoTown } from '../demo-town.ts';
import { runSteps } from '../steps.ts';
import type { DemoStep, StepResult } from '../steps.ts';
import { townPlan } from '../town-plan.ts';
import { ContractRun } from './contract-run.ts';
import { diskMachine } from './fault-kinds.ts';
import { FaultRun } from './fault-run.ts';
import { faultSchedule } from './fault-schedule.ts';
import { requireFaketime } from './faults/wrong-clock.ts';
import { PageClient } from './page-client.ts';
import { SoakWatch } from './watch/soak-watch.ts';
import { marksOf, tracesOfTown } from './watch/town-traces.ts';
import type { TownMarks } from './watch/town-traces.ts';
import type { WatchFindings } from './watch/watch-types.ts';

export interface SoakOptions {
  /** For how long faults and contracts come and go, once all of it runs. */
  readonly minutes: number;
  /** Decides which faults befall whom, in which order, and what contracts come and go. */
  readonly seed: number;
  /** How many times longer than usual things may take. */
  readonly slack: number;
  /** Of this demo alone; it is empty afterwards. Absolute. */
  readonly folder: string;
  /** Ends it before its time. */
  readonly signal: AbortSignal;
  /** Is told what happens, at which second since it began. */
  readonly onEvent: (seconds: number, text: string) => void;
}

export interface SoakReport {
  readonly faults: number;
  readonly contracts: number;
  readonly upgraded: number;
  readonly takenBack: number;
  /** What was not as it has to be, in the order in which it was seen. */
  readonly broken: readonly string[];
  readonly seconds: number;
  /** What was measured; absent where the town never ran, or the last look itself failed. */
  readonly findings?: WatchFindings;
}

const shards = { data: 4, parity: 2 } as const;
const machines = 8;
/** Of the objects that are loaded, bytes. */
const dataBytes = 64_000_000;
/** How often what a machine has may be placed elsewhere; it has room for it all, and for what was placed without a fault. */
const movesMax = 5;
const generations = movesMax + 3;
/** After so many writes one of what was written is removed. */
const removedEvery = 4;
/** Between two looks, ms. */
const checkEveryMs = 20_000;

/** Without the look at all ports: the other demo has that. */
const readyStep: DemoStep<ArchiveScene> = {
  name: 'provision',
  needs: ['payment'],
  run: async ({ town }) => {
    const { readyCount } = await untilReady(town, placesOf(shards));
    return `${readyCount} places are ready`;
  },
};

const loadStep: DemoStep<ArchiveScene> = {
  name: 'data',
  needs: ['provision'],
  run: async (scene) => {
    const { objects } = await load(scene);
    return `${objects.length} objects, ${formatBytes(dataBytes)} in all`;
  },
};

const opening: readonly DemoStep<ArchiveScene>[] = [
  ...[planStep, signingStep, marketStep, paymentStep, readyStep, loadStep, pageStep],
];

/**
 * An archive on a town of eight machines, while faults, clients and small contracts come and go. Whatever it made is taken off
 * this machine at the end, also when it fails or is ended.
 * @throws BASE_FOLDER_LOCKED while another demo has the folder; BASE_PROGRAM_MISSING without rclone
 */
export async function soakDemo(options: SoakOptions): Promise<SoakReport> {
  const { slack, signal } = options;
  const soak = new Soak(options);
  await rcloneVersion(signal);
  requireFaketime();
  let marks: TownMarks | undefined;
  try {
    await using folder = await DemoFolder.open(options.folder);
    await using stack = new AsyncDisposableStack();
    const plan = { ...townPlan(machines, shards, dataBytes, generations), ownDisks: [diskMachine] };
    const town = stack.use(
      await DemoTown.open({ folder, plan, slack, signal, note: (text) => soak.tell(text) }),
    );
    marks = marksOf(town.nodes, folder.path);
    const scene: ArchiveScene = {
      ...{ town, shards, dataBytes, secrets: newStoreSecrets(), slack },
      random: seededRandom(`${options.seed} archive`),
      removedEvery,
    };
    stack.defer(async () => scene.traffic?.stop());
    if (await soak.begins(scene)) await soak.go(scene);
    soak.tell('all of it is taken off this machine');
  } catch (error) {
    if (marks === undefined) throw error;
    // What was seen until then is not to be lost.
    soak.breaks(`taking it off this machine: ${textOf(error)}`);
  }
  await soak.hasLeft(marks);
  return soak.report();
}

/** One soak from its begin to what it showed. */
class Soak {
  readonly #options: SoakOptions;
  readonly #startedMs = performance.now();
  readonly #broken: string[] = [];
  /** The watch does one thing at a time. */
  readonly #watching = new Mutex();
  #faults = 0;
  #contracts: ContractRun['counts'] = { ended: 0, upgraded: 0, takenBack: 0 };
  #findings: WatchFindings | undefined;

  constructor(options: SoakOptions) {
    this.#options = options;
  }

  tell(text: string): void {
    this.#options.onEvent((performance.now() - this.#startedMs) / 1_000, text);
  }

  /** Notes what is not as it has to be. */
  breaks(text: string): void {
    // What is broken is seen again at each look.
    if (this.#broken.includes(text)) return;
    this.#broken.push(text);
    this.tell(`BROKEN ${text}`);
  }

  report(): SoakReport {
    const { ended, upgraded, takenBack } = this.#contracts;
    const seconds = Math.round((performance.now() - this.#startedMs) / 1_000);
    return {
      ...{ faults: this.#faults, contracts: ended, upgraded, takenBack },
      ...{ broken: this.#broken, seconds },
      ...(this.#findings === undefined ? {} : { findings: this.#findings }),
    };
  }

  /** Nothing of the town is on this machine any more. */
  async hasLeft(marks: TownMarks): Promise<void> {
    for (const trace of await tracesOfTown(marks)) this.breaks(`leaks: the town left ${trace}`);
  }

  /** Brings the archive to where clients use it. @returns whether it is there */
  async begins(scene: ArchiveScene): Promise<boolean> {
    const { signal } = this.#options;
    const onResult = ({ name, passed, figure }: StepResult): void => {
      if (passed) this.tell(`${name}: ${figure}`);
      else this.breaks(`${name}: ${figure}`);
    };
    const results = await runSteps(opening, scene, { listener: { onResult }, signal });
    return results.every(({ passed }) => passed);
  }

  /** Faults, clients and contracts come and go, for as long as was said. */
  async go(scene: ArchiveScene): Promise<void> {
    const { minutes, seed, signal } = this.#options;
    const note = (text: string): void => this.tell(text);
    await using watch = await SoakWatch.open({ scene, note });
    const stop = new AbortController();
    const over = AbortSignal.any([signal, stop.signal, AbortSignal.timeout(minutes * 60_000)]);
    const contracts = new ContractRun({
      ...{ town: scene.town, random: seededRandom(`${seed} contracts`), over, note },
    });
    this.#contracts = contracts.counts;
    const sizes = {
      ...{ machines, farmers: scene.town.farms.length, borne: shards.parity, movesMax },
    };
    const faults = new FaultRun({
      ...{ scene, sizes, over, note },
      schedule: faultSchedule(seededRandom(`${seed} faults`), sizes),
      onHealed: ({ kind, victim, healedMs }, lastedMs) => {
        this.#faults++;
        const [all, lasted] = [healedMs, lastedMs].map((ms) => (ms / 1_000).toFixed(1));
        note(`${kind}: ${victim} well again after ${all} s, of which it lasted ${lasted} s`);
      },
      onCalm: async (healed) => {
        for (const one of healed) await this.#watched(() => watch.healed(one));
        for (const one of contracts.takeRemoved()) await this.#watched(() => watch.gone(one));
      },
    });
    const ended = new AbortController();
    const checking = repeat(checkEveryMs, () => this.#watched(() => watch.check()), {
      signal: ended.signal,
    });
    const page = new PageClient(scene, (request) => watch.request(request));
    // What does not heal, or does not become what it is to be, ends it: nothing that is seen after it would mean anything.
    await Promise.all([
      this.#held('faults', () => faults.run(), stop),
      this.#held('contracts', () => contracts.run(), stop),
    ]);
    ended.abort();
    await checking;
    await page[Symbol.asyncDispose]();
    if (signal.aborted) return;
    for (const one of contracts.takeRemoved()) await this.#watched(() => watch.gone(one));
    await this.#watched(async () => {
      this.#findings = await watch.finish();
      for (const one of this.#findings.broken) this.breaks(`watch: ${one}`);
    });
  }

  #watched(work: () => Promise<void>): Promise<void> {
    return this.#held('watch', () => this.#watching.run(work));
  }

  /** Notes why something failed, unless all of it was ended. @param stop is aborted then */
  async #held(what: string, work: () => Promise<void>, stop?: AbortController): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#options.signal.aborted || isGridError(error, 'BASE_ABORTED')) return;
      this.breaks(`${what}: ${textOf(error)}`);
      stop?.abort();
    }
  }
}

function textOf(error: unknown): string {
  if (error instanceof GridError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
