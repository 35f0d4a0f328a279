import { formatBytes, isGridError, repeat } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';
import { shortIdOf } from '@commongrid/node';

import { processLists } from '../../../machines/machine-processes.ts';
import { BrokenPromise } from '../../../simulation/witness.ts';
import { storeOf } from '../../archive/archive-scene.ts';
import type { ArchiveScene } from '../../archive/archive-scene.ts';
import type { LogWatch } from './log-watch.ts';
import { requireMoney } from './money.ts';
import { requireAllThere, requireRightReads } from './objects.ts';
import { requirePower } from './powered.ts';
import { nameOf } from './process-names.ts';
import { ProcessWatch } from './process-watch.ts';
import { PromiseBook } from './promise-book.ts';
import { misplaced, placedIn, requireOnce, seenMachine, singlesIn } from './runs-once.ts';
import { approvalsOf, requireUnsigned } from './signatures.ts';
import { requireSpread } from './spread.ts';
import type { MachinePlace } from './spread.ts';
import { Tallies } from './tallies.ts';
import { verifyOffline, watchLog } from './town-log.ts';
import { namespacesOn, tracesOn } from './traces.ts';
import type {
  ClientRequest,
  HealedFault,
  ProcessFindings,
  SoakWatchOptions,
  Watch,
  WatchFindings,
} from './watch-types.ts';

/** Between two looks at what runs twice, and at memory, ms. */
const everyMs = { twice: 1_000, processes: 5_000 } as const;
/** For what has healed to run where it is placed, and for what was removed to be gone, ms. */
const restMs = 60_000;

/** Holds all promises against what truly happens in a town. */
export class SoakWatch implements Watch {
  readonly #scene: ArchiveScene;
  readonly #startedMs = performance.now();
  readonly #log: LogWatch;
  readonly #processes: ProcessWatch;
  readonly #tallies = new Tallies();
  readonly #book = new PromiseBook();
  readonly #machines: ReadonlyMap<string, ReturnType<typeof seenMachine>>;
  /** Contracts that nobody touches while they are watched, and what was signed of them before. */
  readonly #untouched: ReadonlySet<ContractId>;
  #signed: ReadonlySet<string> = new Set();
  /** Machines of heads of S3 by process. */
  #heads: ReadonlyMap<number, string> = new Map();
  readonly #over = new AbortController();
  #looking: Promise<unknown> = Promise.resolve();

  private constructor(scene: ArchiveScene, log: LogWatch) {
    const { town, contract, page } = scene;
    this.#scene = scene;
    this.#log = log;
    this.#machines = new Map(
      town.nodes.map(({ id, name, prefix }) => [id, seenMachine(name, prefix)]),
    );
    this.#untouched = new Set([contract, page].flatMap((one) => one?.id ?? []));
    const folders = { home: town.grid.home, machines: town.nodes };
    this.#processes = new ProcessWatch({
      nameOf: (words, pid) => this.#headName(words, pid) ?? nameOf(words, folders),
      nowMs: () => performance.now(),
    });
  }

  /** Begins to look. @throws BrokenPromise when something is wrong at once */
  static async open({ scene, note }: SoakWatchOptions): Promise<SoakWatch> {
    const log = await watchLog(scene.town);
    const watch = new SoakWatch(scene, log);
    try {
      await watch.#follow();
      watch.#signed = approvalsOf(log.fold, watch.#untouched);
    } catch (error) {
      await log[Symbol.asyncDispose]();
      throw error;
    }
    note(`${log.size} records of the log verified; from now on they are as they come`);
    const { signal } = watch.#over;
    const looks = [
      repeat(everyMs.twice, () => watch.#lookForTwice(), { signal }),
      repeat(everyMs.processes, () => watch.#lookAtProcesses(), { signal }),
    ];
    watch.#looking = Promise.all(looks);
    // It is thrown by the next check.
    watch.#looking.catch((error: unknown) => watch.#book.fails(error));
    return watch;
  }

  async check(): Promise<void> {
    this.#book.requireWhole();
    await this.#follow();
    const { fold, size } = this.#log;
    const { town } = this.#scene;
    await this.#book.hold('objects', () => {
      const count = requireRightReads(storeOf(this.#scene).traffic.figures());
      return `${count} reads gave what was written`;
    });
    await this.#book.hold('log', () => `${size} records verified as they came`);
    await this.#book.hold('money', () => {
      const { issued, escrows } = requireMoney(fold);
      return `${issued} issued, and as much found with all who have some; ${escrows} escrows`;
    });
    await this.#book.hold('power', () => {
      const cuts = new Map(town.nodes.map(({ id, powerCuts }) => [id, powerCuts]));
      return `${requirePower(fold, cuts, Date.now())} s of places paid`;
    });
    await this.#book.hold('signatures', () => {
      return `${requireUnsigned(fold, this.#untouched, this.#signed)} from before, and no other one`;
    });
    await this.#book.hold('spread', () => `${requireSpread(fold, this.#places())} replicas placed`);
  }

  async healed(fault: HealedFault): Promise<void> {
    this.#tallies.healed(fault);
    let waiting: ReadonlySet<string> | undefined;
    await this.#book.hold('places', async () => {
      await this.#until('each container to run where it is placed, and there alone', async () => {
        await this.#follow();
        const all = await misplaced(this.#machines, placedIn(this.#log.fold));
        const names = new Set(all.map(({ workload, node }) => `${workload} on ${node}`));
        // Others come and go meanwhile: each has to be right once.
        waiting = waiting === undefined ? names : waiting.intersection(names);
        return waiting.size === 0 ? undefined : [...waiting].join(', ');
      });
      return `each container where it was placed after ${this.#tallies.faults} faults`;
    });
  }

  request(request: ClientRequest): void {
    this.#tallies.request(request);
  }

  async gone(contract: ContractId): Promise<void> {
    await this.#follow();
    const { fold } = this.#log;
    const slices = [...fold.objects('grid.slice.1')].filter((one) => one.contract === contract);
    const keys = new Set(slices.map(({ workload }) => shortIdOf(workload)));
    await this.#book.hold('leaks', async () => {
      await this.#until(`nothing of ${contract} to be on any machine`, async () => {
        const traces = await this.#tracesOf(keys);
        return traces.length === 0 ? undefined : traces.join('; ');
      });
      return `${this.#book.checksOf('leaks') + 1} contracts removed without a trace`;
    });
  }

  async finish(): Promise<WatchFindings> {
    const { town } = this.#scene;
    const { client, traffic } = storeOf(this.#scene);
    await this.#book.attempt(() => this.check());
    await traffic.stop();
    await this.#book.attempt(() =>
      this.#book.hold('objects', async () => {
        requireAllThere(traffic.objects, await client.sums());
        return `${traffic.objects.length} of ${traffic.objects.length} read back in the end, each with its SHA-256`;
      }),
    );
    await this.#book.attempt(() =>
      this.#book.hold('log', async () => {
        const exported = await verifyOffline(town);
        return `${this.#log.size} records verified as they came, ${exported} in an export with no network`;
      }),
    );
    await this.#stopLooking();
    const processes = this.#processes.findings();
    await this.#book.attempt(() => this.#book.hold('memory', () => memoryFigure(processes)));
    return {
      ...{ broken: this.#book.broken, promises: this.#book.promises },
      ...{ healing: this.#tallies.healing, requests: this.#tallies.requests },
      ...{ traffic: traffic.figures(), processes, objects: traffic.objects.length },
      seconds: (performance.now() - this.#startedMs) / 1_000,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopLooking();
    await this.#log[Symbol.asyncDispose]();
  }

  /** All of the log up to now, as soon as its database answers. @throws BrokenPromise, and what contradicts itself */
  async #follow(): Promise<void> {
    await this.#scene.town.until('the log to be read', async () => {
      try {
        await this.#log.follow();
        return true;
      } catch (error) {
        // The database is one of those that are killed.
        if (isGridError(error) && error.retryable) return false;
        throw error;
      }
    });
  }

  async #lookForTwice(): Promise<void> {
    await this.#book.hold('once', async () => {
      const count = await requireOnce([...this.#machines.values()], singlesIn(this.#log.fold));
      return `at most one of each; ${count} of those that must be one run`;
    });
  }

  async #lookAtProcesses(): Promise<void> {
    const lists = this.#scene.town.nodes.map(async ({ name, prefix }) => {
      const pids = (await processLists(prefix)).flatMap(([, all]) => all);
      return pids.map((pid) => [Number(pid), name] as const);
    });
    this.#heads = new Map((await Promise.all(lists)).flat());
    await this.#processes.look();
  }

  #headName(words: readonly string[], pid: number): string | undefined {
    const at = words.findIndex((word) => word.endsWith('/main.ts'));
    if (at === -1 || words[at + 1] !== 's3' || words[at + 2] !== 'serve') return undefined;
    const machine = this.#heads.get(pid);
    return machine && `S3 head on ${machine}`;
  }

  #places(): ReadonlyMap<string, MachinePlace> {
    const { farms } = this.#scene.town;
    return new Map(
      farms.flatMap(({ name: farm, farmer, plan, nodes }) => {
        const place = { farm, owner: farmer.name, country: plan.code.toUpperCase() };
        return nodes.map(({ id }) => [id, place] as const);
      }),
    );
  }

  async #tracesOf(keys: ReadonlySet<string>): Promise<readonly string[]> {
    const { nodes, signal } = this.#scene.town;
    const all = nodes.map(async (node) => [
      ...(await tracesOn(node, keys)),
      ...(await namespacesOn(node, keys, signal)),
    ]);
    return (await Promise.all(all)).flat();
  }

  /** Waits until a look gives nothing. @throws BrokenPromise with what the last one gave */
  async #until(what: string, look: () => Promise<string | undefined>): Promise<void> {
    let last: string | undefined;
    const isSo = async (): Promise<boolean> => (last = await look()) === undefined;
    try {
      await this.#scene.town.until(what, isSo, restMs);
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
      throw new BrokenPromise(`waited for ${what}: ${last}`, { cause: error });
    }
  }

  async #stopLooking(): Promise<void> {
    this.#over.abort();
    // Why it ended before is in the book.
    await this.#looking.catch(() => {});
  }
}

/** @throws BrokenPromise naming processes that grow without end */
function memoryFigure(processes: readonly ProcessFindings[]): string {
  const judged = processes.flatMap(({ name, growth }) => (growth ? [{ name, growth }] : []));
  const leaks = judged.filter(({ growth }) => !growth.isFlat);
  if (leaks.length === 0)
    return `${judged.length} of ${processes.length} processes lived long enough, all flat`;
  const words = leaks.map(({ name, growth: { bytesPerHour, filesPerHour } }) => {
    return `${name} by ${formatBytes(bytesPerHour)} and ${filesPerHour.toFixed(0)} files an hour`;
  });
  throw new BrokenPromise(`memory: it grows: ${words.join(', ')}`);
}
