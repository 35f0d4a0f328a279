import { GridError, isGridError, systemClock } from '@commongrid/base';
import type { Clock, Timer } from '@commongrid/base';
import type { BackendEntry } from '../backends/backend.ts';
import { candidatesOf } from '../blob/shard-spread.ts';
import type { Backends } from '../blob/shard-spread.ts';
import type { ZstorErrorCode } from '../errors.ts';
import { placeCopies, replaceShard } from '../placement/place-shards.ts';
import { lossesSurvived, survives } from '../placement/placement-rules.ts';
import type { Candidate, PlacementRules } from '../placement/placement-rules.ts';

/** A backend that has not answered after so long is not waited for: another one is asked, too. */
const patienceMs = 250;
/** Bytes of values that a backend gets in one command, unless a single one is larger. */
const commandBytesMax = 4 * 2 ** 20;

/** Values of which each node gets all. */
export interface Copies {
  /** Decides which nodes. */
  readonly id: Uint8Array;
  readonly entries: readonly BackendEntry[];
}

/** Writes copies to as many nodes as may be lost, and one more. */
export class CopyWriter {
  readonly #backends: Backends;
  readonly #clock: Clock;
  /** Numbers of backends that let something wait. */
  readonly #stuck = new Set<number>();

  constructor(backends: Backends, clock: Clock = systemClock) {
    this.#backends = backends;
    this.#clock = clock;
  }

  /**
   * Whether there are nodes for copies now.
   * @throws ZSTOR_BACKENDS_TOO_FEW
   */
  requireNodes(rules: PlacementRules): void {
    const nodes = new Set<string>();
    const wanted = Math.min(2, rules.parityShards + 1);
    for (const { no, isWritable, place } of this.#backends.all) {
      if (isWritable && (rules.locations?.includes(no) ?? true)) nodes.add(place.node);
      if (nodes.size >= wanted) return;
    }
    throw tooFew(nodes.size, wanted);
  }

  /**
   * Resolves when m + 1 nodes have all of it on disk, or all where there are fewer. One that fails, or
   * is slow, is replaced by another.
   * @throws ZSTOR_BACKENDS_TOO_FEW
   */
  async write({ id, entries }: Copies, policy: PlacementRules): Promise<void> {
    const rules = { ...policy, dataShards: 1 };
    const commands = commandsOf(entries);
    const asked: Candidate[] = [];
    const failed = new Set<number>();
    const stored: Candidate[] = [];
    let underWay = 0;
    const { promise, resolve, reject } = Promise.withResolvers<void>();

    const ask = (target: Candidate): void => {
      const { no } = target;
      asked.push(target);
      underWay++;
      const timer: Timer = this.#clock.setTimer(patienceMs, () => {
        this.#stuck.add(no);
        askAnother();
      });
      this.#put(no, commands)
        .then(
          () => void stored.push(target),
          (error: unknown) => {
            if (!isGridError(error)) throw error;
            failed.add(no);
            asked.splice(asked.indexOf(target), 1);
            askAnother();
          },
        )
        .finally(() => {
          timer.cancel();
          this.#stuck.delete(no);
          underWay--;
        })
        .then(look, reject);
    };
    const askAnother = (): void => {
      if (stored.length >= wanted) return;
      const another = this.#another(id, rules, asked, failed);
      if (another !== undefined) ask(another);
    };
    const look = (): void => {
      const nodes = stored.map(({ place }) => place.node);
      if (stored.length >= wanted) resolve();
      else if (underWay > 0) return;
      else if (survives(nodes, 1, lossesSurvived(rules.parityShards, true))) resolve();
      else reject(tooFew(stored.length, wanted));
    };

    const { backends } = placeCopies(id, this.#candidates(rules), rules);
    const wanted = backends.length;
    for (const target of backends) ask(target);
    await promise;
  }

  async #put(no: number, commands: readonly (readonly BackendEntry[])[]): Promise<void> {
    const backend = this.#backends.byNo(no);
    if (backend === undefined) throw gone(no);
    await Promise.all(commands.map((entries) => backend.putAll(entries)));
  }

  /** Those that let nothing wait, as long as they suffice. */
  #candidates({ parityShards, locations }: PlacementRules): readonly Candidate[] {
    const all = candidatesOf(this.#backends);
    if (this.#stuck.size === 0) return all;
    const quick = all.filter(({ no }) => !this.#stuck.has(no));
    const allowed = quick.filter(({ no }) => locations?.includes(no) ?? true);
    const nodes = new Set(allowed.map(({ place }) => place.node));
    return nodes.size > parityShards ? quick : all;
  }

  #another(
    id: Uint8Array,
    rules: PlacementRules,
    asked: readonly Candidate[],
    failed: ReadonlySet<number>,
  ): Candidate | undefined {
    const nodes = new Set(asked.map(({ place }) => place.node));
    // A second copy on one node is worth nothing.
    const others = candidatesOf(this.#backends).filter(({ place }) => !nodes.has(place.node));
    return replaceShard(id, others, rules, asked, failed)?.backend;
  }
}

/** In order, split where a command would be too large. */
function commandsOf(entries: readonly BackendEntry[]): readonly (readonly BackendEntry[])[] {
  const commands: BackendEntry[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    bytes += entry.value.length;
    if (bytes > commandBytesMax) {
      commands.push([]);
      bytes = entry.value.length;
    }
    commands.at(-1)?.push(entry);
  }
  return commands;
}

function tooFew(stored: number, wanted: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_BACKENDS_TOO_FEW',
    `${stored} nodes can keep a copy, ${wanted} are to have one`,
    {
      hint: 'bring backends back, or add some to the backends file',
      retryable: true,
      details: { stored, wanted },
    },
  );
}

function gone(no: number): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_BACKEND_FAILED',
    `backend ${no} is not in the backends file any more`,
  );
}
