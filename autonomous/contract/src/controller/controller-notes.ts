import { isGridError } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { idPatterns } from '@commongrid/model';
import type { ContractId } from '@commongrid/model';
import type { BrakeNotes, StormBrake } from '../heal/storm-brake.ts';
import type { Failure } from '../heal/unit-trials.ts';
import type { ControllerMemory } from './ports.ts';

const schema = 'grid.controller.notes.1';
/** What nobody changed is kept again so often, since its age counts, ms. */
const keepEveryMs = 60_000;

interface Notes {
  readonly schema: typeof schema;
  /** Log time, ms since 1970. */
  readonly at: number;
  readonly brake: BrakeNotes;
  /** Where replicas did not do, by contract. */
  readonly failures: Readonly<Record<string, readonly Failure[]>>;
}

/** What was kept last, and when. */
interface Kept {
  readonly changes: number;
  readonly failures: ReadonlyMap<ContractId, readonly Failure[]>;
  readonly nowMs: number;
}

function isSame(last: Kept, { changes, failures, nowMs }: Kept): boolean {
  if (changes !== last.changes || nowMs - last.nowMs >= keepEveryMs) return false;
  if (failures.size !== last.failures.size) return false;
  return [...failures].every(([id, own]) => last.failures.get(id) === own);
}

/** The moment of a look. */
interface Now {
  /** Log time, ms since 1970. */
  readonly at: number;
  /** Of the monotonic clock. */
  readonly nowMs: number;
}

export interface ControllerNotesOptions {
  readonly memory: ControllerMemory;
  readonly brake: StormBrake;
  readonly logger: Logger;
}

/**
 * What a controller saw that is in no record: which nodes vanished together, and where replicas did not do.
 * So one that is killed in a storm does not take it for the ordinary state of things.
 */
export class ControllerNotes {
  readonly #options: ControllerNotesOptions;
  #failures: Notes['failures'] = {};
  #hasRead = false;
  #kept: Kept | undefined;

  constructor(options: ControllerNotesOptions) {
    this.#options = options;
  }

  /** Takes in what was kept, once. */
  async read({ at, nowMs }: Now): Promise<void> {
    if (this.#hasRead) return;
    this.#hasRead = true;
    const { memory, brake, logger } = this.#options;
    let kept: unknown;
    try {
      kept = await memory.read();
    } catch (error) {
      if (!isGridError(error)) throw error;
      logger.warn({ error }, 'what a controller saw before cannot be read');
    }
    if (kept === undefined) return;
    if (!isNotes(kept)) return logger.warn('what a controller saw before cannot be read');
    brake.resume(kept.brake, nowMs, Math.max(0, at - kept.at));
    this.#failures = kept.failures;
  }

  /** Where replicas of a contract did not do before this controller was started. */
  failuresOf(id: ContractId): readonly Failure[] {
    return this.#failures[id] ?? [];
  }

  /** Keeps what is seen by now, if it is something else, or some time has passed. */
  async keep(
    { at, nowMs }: Now,
    failures: ReadonlyMap<ContractId, readonly Failure[]>,
  ): Promise<void> {
    const { memory, brake, logger } = this.#options;
    const { changes } = brake;
    if (this.#kept !== undefined && isSame(this.#kept, { changes, failures, nowMs })) return;
    const all = Object.fromEntries(failures);
    try {
      await memory.write({ schema, at, brake: brake.notes(nowMs), failures: all } satisfies Notes);
      this.#kept = { changes, failures, nowMs };
    } catch (error) {
      if (!isGridError(error)) throw error;
      logger.warn({ error }, 'what a controller sees cannot be kept');
    }
  }
}

const nodePattern = new RegExp(`^${idPatterns.node}$`);

/** Whether this release wrote it. */
function isNotes(value: unknown): value is Notes {
  if (!isObject(value) || value['schema'] !== schema || !Number.isInteger(value['at']))
    return false;
  const { brake, failures } = value;
  if (!isObject(brake) || !isObject(failures)) return false;
  const { signs, before = [] } = brake;
  const isSign = (one: unknown): boolean =>
    isObject(one) && isNode(one['node']) && typeof one['isAlive'] === 'boolean';
  if (!isListOf(signs, isSign) || !isListOf(before, isNode)) return false;
  return Object.values(failures).every((own) => isListOf(own, isFailure));
}

function isFailure(value: unknown): boolean {
  if (!isObject(value) || !isNode(value['node']) || !Number.isInteger(value['at'])) return false;
  return ['kind', 'unit', 'code', 'message'].every((name) => typeof value[name] === 'string');
}

function isNode(value: unknown): boolean {
  return typeof value === 'string' && nodePattern.test(value);
}

function isListOf(value: unknown, isOne: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isOne);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
