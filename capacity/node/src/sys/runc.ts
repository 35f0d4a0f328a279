import { access, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError, identityOf, isGridError, runProgram } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import type { Cgroups } from './cgroup.ts';

/** What runc knows of a container. */
export type RuncState =
  | { readonly status: 'absent' }
  | { readonly status: 'created' | 'running' | 'paused' | 'stopped'; readonly pid: number };

/** Variables of the programs that make containers: nothing of the node's own gets there. */
export const runtimeVariables = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } as const;

/**
 * A command as one that runs in a network namespace. runc enters the user namespace of a container
 * before the network, which belongs to the host: it may not, so it has to be there already.
 */
export function inNetwork(
  path: string,
  command: readonly string[],
): { readonly program: string; readonly args: readonly string[] } {
  return { program: 'nsenter', args: [`--net=${path}`, '--', ...command] };
}

/** The command line of runc, and its state files. */
export class Runc {
  /** Path of the program. */
  readonly program: string;
  /** Its `--root`. */
  readonly stateFolder: string;
  readonly #cgroups: Cgroups;
  /** By container, of the state files that were read: reading one takes longer than all the rest. */
  readonly #firstProcesses = new Map<string, FirstProcess & { ino: number; mtimeMs: number }>();

  constructor(program: string, stateFolder: string, cgroups: Cgroups) {
    this.program = program;
    this.stateFolder = stateFolder;
    this.#cgroups = cgroups;
  }

  /**
   * The state of a container, found out as `runc state` does it: from its state file, from its first
   * process, from the fifo that is there until it is started, and from the freezer. Starting a
   * process for that costs 15 ms of CPU time, and a node looks at each container again and again.
   */
  async state(id: string): Promise<RuncState> {
    const init = await this.#firstProcess(id);
    if (init === undefined) return { status: 'absent' };
    const { pid } = init;
    const found = await identityOf(pid);
    if (found?.startTicks !== init.startTicks) return { status: 'stopped', pid };
    if (await this.#isWaiting(id)) return { status: 'created', pid };
    return { status: (await this.#cgroups.isFrozen(id)) ? 'paused' : 'running', pid };
  }

  async start(id: string): Promise<void> {
    await this.#run(['start', id]);
  }

  async pause(id: string): Promise<void> {
    await this.#run(['pause', id]);
  }

  async resume(id: string): Promise<void> {
    await this.#run(['resume', id]);
  }

  /** Takes away what runc has of a container, whose processes are gone. */
  async delete(id: string): Promise<void> {
    try {
      await this.#run(['delete', '--force', id]);
    } catch (error) {
      if (!isGridError(error, 'NODE_CONTAINER_FAILED')) throw error;
      // One that was killed while it made the container leaves what it cannot read itself.
      if ((await this.#firstProcess(id)) !== undefined) throw error;
    }
    await rm(join(this.stateFolder, id), { recursive: true, force: true });
  }

  async has(id: string): Promise<boolean> {
    return isThere(join(this.stateFolder, id));
  }

  /** Every container that it left anything of. */
  async list(): Promise<readonly string[]> {
    try {
      return await readdir(this.stateFolder);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** Its arguments that come before those of a command. */
  get baseArgs(): readonly string[] {
    return ['--root', this.stateFolder];
  }

  async #run(args: readonly string[]): Promise<void> {
    try {
      await runProgram(this.program, [...this.baseArgs, ...args], { env: runtimeVariables });
    } catch (error) {
      if (!isGridError(error, 'BASE_PROGRAM_FAILED')) throw error;
      throw runtimeError(error.message, error);
    }
  }

  /** As runc noted it when it made the container. */
  async #firstProcess(id: string): Promise<FirstProcess | undefined> {
    const path = join(this.stateFolder, id, 'state.json');
    try {
      const { ino, mtimeMs } = await stat(path);
      const known = this.#firstProcesses.get(id);
      if (known?.ino === ino && known.mtimeMs === mtimeMs) return known;
      const noted = parseState(await readFile(path, 'utf8'));
      if (noted !== undefined) this.#firstProcesses.set(id, { ...noted, ino, mtimeMs });
      return noted;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      this.#firstProcesses.delete(id);
      return undefined;
    }
  }

  async #isWaiting(id: string): Promise<boolean> {
    return isThere(join(this.stateFolder, id, 'exec.fifo'));
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

interface FirstProcess {
  readonly pid: number;
  readonly startTicks: number;
}

function parseState(text: string): FirstProcess | undefined {
  const state: unknown = JSON.parse(text);
  if (typeof state !== 'object' || state === null) return undefined;
  const { init_process_pid: pid, init_process_start: startTicks } = state as Partial<
    Record<string, unknown>
  >;
  if (typeof pid !== 'number' || typeof startTicks !== 'number') return undefined;
  return { pid, startTicks };
}

/** What runc said, as the error that it means. */
export function runtimeError(said: string, cause?: unknown): GridError<NodeErrorCode> {
  const message = lastMessage(said);
  const options = { details: { said: message }, cause };
  if (commandFaults.some((fault) => fault.test(message))) {
    return new GridError('NODE_COMMAND_MISSING', `the command cannot be run: ${message}`, {
      ...options,
      hint: 'see what the image has: its entrypoint, its PATH, the mode of the file, its interpreter',
    });
  }
  return new GridError('NODE_CONTAINER_FAILED', `the runtime refuses: ${message}`, options);
}

/** Words of runc for a program that is not there or cannot be executed. */
const commandFaults = [
  /executable file not found in \$PATH/,
  /exec: .*: (no such file or directory|permission denied|is a directory)/,
  /stat [^:]*: no such file or directory: unknown$/,
  /exec format error/,
  /chdir to cwd .* (no such file or directory|permission denied)/,
];

/**
 * It writes lines of `time=... level=error msg="..."`, of which the last says what failed; why the
 * process that enters the namespaces failed stands in lines of that process before.
 */
function lastMessage(said: string): string {
  const messages = [...said.matchAll(/msg="((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) =>
    text.replaceAll(/\\(.)/g, '$1'),
  );
  const last = messages.at(-1) ?? said.trim();
  const reasons = messages.slice(0, -1).filter((text) => /^nsexec.*fail/.test(text));
  return [last, ...new Set(reasons)].join('; ').slice(-messageCharactersMax);
}

/** Of what runc says, the end tells what failed. */
const messageCharactersMax = 1_000;
