import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { isGridError, waitFor, writeFileAtomic } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';

import { isUp } from '../../src/testing/index.ts';
import type { NumberedEvent } from '../../src/index.ts';
import { NodeState } from '../../src/reconcile/node-state.ts';
import { shortIdOf } from '../../src/short-id.ts';
import type { DeadlyMoment } from './deadly-moment.ts';
import type { NodePlan } from './node-town.ts';

const program = join(import.meta.dirname, 'deadly-node-program.ts');
const deadline = { timeoutMs: 60_000, everyMs: 20 };

/** The node of a plan in a process of its own that ends itself when it is told to. */
export class DeadlyNode implements AsyncDisposable {
  readonly #plan: NodePlan;
  readonly #momentFile: string;
  #process: ChildProcess | undefined;
  #next: ChildProcess | undefined;

  constructor(plan: NodePlan) {
    this.#plan = plan;
    this.#momentFile = join(plan.records, '..', 'moment');
  }

  /** Starts it, to live on. */
  async start(): Promise<void> {
    await writeFile(this.#momentFile, '');
    const next = this.#next ?? this.#spawn();
    next.stdin?.end('open\n');
    this.#process = next;
    // The next one loads its program meanwhile.
    this.#next = this.#spawn();
  }

  /** Lets it do something, during which it dies. */
  async dieAt(moment: DeadlyMoment, act: () => Promise<unknown>): Promise<void> {
    const ended = this.#process && once(this.#process, 'exit');
    await writeFileAtomic(this.#momentFile, JSON.stringify(moment));
    await act();
    const what = `the node to die at ${JSON.stringify(moment)}`;
    await waitFor(() => hasEnded(this.#process), { ...deadline, what });
    assert.equal(this.#process?.signalCode, 'SIGKILL', what);
    await ended;
  }

  /** Ends it once it is at work: it has the lock of its folder. */
  async kill(): Promise<void> {
    const lock = join(this.#plan.folder, 'LOCK');
    const isAtWork = async (): Promise<boolean> =>
      (await readFile(lock, 'utf8').catch(() => '')).includes(String(this.#process?.pid));
    await waitFor(isAtWork, { ...deadline, what: 'the node to be at work' });
    await kill(this.#process);
  }

  /** Lets it stand still, alive, or go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  /** Waits until all run, or are not known any more. */
  async reach(ids: readonly WorkloadId[], goal: 'up' | 'gone', why: string): Promise<void> {
    const file = join(this.#plan.folder, 'state.sqlite');
    await waitFor(() => isMade(file), { ...deadline, what: `the state of the node ${why}` });
    using state = NodeState.open(this.#plan.folder);
    const areThere = (): boolean =>
      ids.map((id) => state.workload(id)).every((one) => (goal === 'up' ? isUp(one?.phase) : !one));
    try {
      await waitFor(areThere, { ...deadline, what: `${goal} ${why}` });
    } catch (error) {
      if (isGridError(error)) console.log(state.newestEvents(20));
      throw error;
    }
  }

  events(id: WorkloadId): readonly NumberedEvent[] {
    using state = NodeState.open(this.#plan.folder);
    return state.events(0, 1_000, id);
  }

  /** What is in a file of a volume. */
  read(volume: WorkloadId, name: string): Promise<string> {
    const pool = join(this.#plan.folder, 'machine/volumes/pool');
    return readFile(join(pool, `v-${shortIdOf(volume)}`, name), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([kill(this.#process), kill(this.#next)]);
  }

  #spawn(): ChildProcess {
    return spawn(process.execPath, [program, JSON.stringify(this.#plan), this.#momentFile], {
      stdio: ['pipe', 'inherit', 'inherit'],
      // Most of its start is reading the program.
      env: { ...process.env, NODE_COMPILE_CACHE: join(this.#plan.records, '..', 'compiled') },
    });
  }
}

/** Whether the first to open it is through with it: the version of its format is written last. */
function isMade(file: string): boolean {
  if (!existsSync(file)) return false;
  const db = new DatabaseSync(file, { readOnly: true, timeout: deadline.timeoutMs });
  try {
    return db.prepare('PRAGMA user_version').get()?.['user_version'] !== 0;
  } finally {
    db.close();
  }
}

async function kill(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

function hasEnded(child: ChildProcess | undefined): boolean {
  return child !== undefined && (child.exitCode !== null || child.signalCode !== null);
}
