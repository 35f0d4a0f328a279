import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { delay, errorCode, GridError, runProgram, waitFor } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import type { Cgroups } from '../sys/cgroup.ts';
import { inNetwork, runtimeError, runtimeVariables } from '../sys/runc.ts';
import type { Runc } from '../sys/runc.ts';
import { ociProcess } from './oci-config.ts';
import type { OciProcessOptions, TerminalSize } from './oci-config.ts';
import { endProcess, endStrays } from './stray-processes.ts';

export type { TerminalSize } from './oci-config.ts';

/** With a terminal, or else with pipes for input and outputs. */
export type ExecOptions = Omit<OciProcessOptions, 'openFilesMax'>;

/** A command that runs in a container. */
export interface ContainerProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Empty with a terminal. */
  readonly stderr: Readable;
  /**
   * Its exit code, once all it printed was read.
   * @throws NODE_COMMAND_MISSING, NODE_CONTAINER_FAILED when it could not be started
   */
  readonly exited: Promise<number>;
  /** Gives its terminal another size. */
  resize(size: TerminalSize): Promise<void>;
  /** Ends it. Resolves when it has. */
  kill(): Promise<void>;
}

/** Commands in containers of one node at a time. */
const execsMax = 64;
/** Of them those of one tenant: probes of others find room, whatever theirs wait for. */
const execsOfOneMax = 16;

/** Rows or columns of a terminal. */
const terminalSideMax = 1_000;

/** A container, and the host's number of its first process. */
interface RunningContainer {
  readonly id: string;
  readonly pid: number;
  /** Of the ids of its tenant, who has no others. */
  readonly uidStart: number;
}

export interface ContainerExecsOptions {
  readonly folder: string;
  readonly runc: Runc;
  readonly cgroups: Cgroups;
  readonly openFilesMax: number;
}

/**
 * Runs commands in containers. While one runs there are files of it in a folder, so that an agent
 * that is killed leaves nothing: the next one ends what is noted there.
 */
export class ContainerExecs implements AsyncDisposable {
  readonly #folder: string;
  readonly #runc: Runc;
  readonly #openFilesMax: number;
  readonly #running = new Set<ContainerProcess>();
  /** First ids of the tenants of all that run or are about to. */
  readonly #tenants: number[] = [];

  private constructor({ folder, runc, openFilesMax }: ContainerExecsOptions) {
    this.#folder = folder;
    this.#runc = runc;
    this.#openFilesMax = openFilesMax;
  }

  /** Ends commands of an agent that was killed. */
  static async open(options: ContainerExecsOptions): Promise<ContainerExecs> {
    const { folder, cgroups } = options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await endStrays([options.runc.stateFolder, 'exec']);
    for (const name of await readdir(folder)) {
      if (name.endsWith('.pid')) {
        const pid = Number(await readFile(join(folder, name), 'utf8'));
        const [id = ''] = name.split('-');
        if (pid > 0 && (await cgroups.holds(id, pid))) endProcess(pid);
      }
      await rm(join(folder, name), { force: true });
    }
    return new ContainerExecs(options);
  }

  /** @throws NODE_EXEC_FULL */
  async start(container: RunningContainer, options: ExecOptions): Promise<ContainerProcess> {
    const { uidStart } = container;
    const ofOne = this.#tenants.filter((tenant) => tenant === uidStart);
    if (this.#tenants.length >= execsMax) throw full(execsMax, 'in containers');
    if (ofOne.length >= execsOfOneMax) throw full(execsOfOneMax, 'in containers of its owner');
    this.#tenants.push(uidStart);
    const leave = (): void => void this.#tenants.splice(this.#tenants.indexOf(uidStart), 1);
    try {
      return await this.#start(container, options, leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map((process) => process.kill()));
  }

  /** @param leave is called when it has ended, unless it was never started */
  async #start(
    { id, pid }: RunningContainer,
    options: ExecOptions,
    leave: () => void,
  ): Promise<ContainerProcess> {
    const terminal = options.terminal && boundedSize(options.terminal);
    const path = join(this.#folder, `${id}-${randomBytes(6).toString('hex')}`);
    const files = {
      process: `${path}.json`,
      pid: `${path}.pid`,
      terminal: `${path}.tty`,
      log: `${path}.log`,
    };
    const process = ociProcess({ ...options, terminal, openFilesMax: this.#openFilesMax });
    await writeFile(files.process, JSON.stringify(process), { mode: 0o600 });
    const { program, args } = inNetwork(`/proc/${pid}/ns/net`, [
      this.#runc.program,
      ...this.#runc.baseArgs,
      ...['--log', files.log, 'exec', '--process', files.process, '--pid-file', files.pid, id],
    ]);
    const command = [program, ...args];
    const child = terminal === undefined ? inPipes(command) : inTerminal(command, files, terminal);
    const running: ContainerProcess = {
      stdin: terminal === undefined ? child.stdin : typedAhead(child, files.pid),
      stdout: child.stdout,
      stderr: child.stderr,
      exited: this.#exitOf(child, files).finally(() => {
        this.#running.delete(running);
        leave();
      }),
      resize: (size) => resize(files.terminal, size),
      kill: () => kill(child, files.pid),
    };
    // One whose code nobody asks for fails nobody.
    running.exited.catch(() => {});
    running.stdin.on('error', () => {});
    this.#running.add(running);
    return running;
  }

  async #exitOf(child: Child, files: ExecFiles): Promise<number> {
    try {
      const [exitCode] = (await once(child, 'close')) as [number | null];
      // Without the file it was never started, and what was printed is what runc says.
      if ((await textOf(files.pid)) === '') throw runtimeError(await textOf(files.log));
      return exitCode ?? killedExitCode;
    } finally {
      await Promise.all(Object.values(files).map((path) => rm(path, { force: true })));
    }
  }
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;
type ExecFiles = Readonly<Record<'process' | 'pid' | 'terminal' | 'log', string>>;

/** As the shell has it for SIGKILL. */
const killedExitCode = 137;

function inPipes([program = '', ...args]: readonly string[]): Child {
  return spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: runtimeVariables });
}

/**
 * Node makes no terminals: `script` does, and writes down its name, by which stty gives it another
 * size; the kernel tells runc of that, and runc passes it on.
 */
function inTerminal(command: readonly string[], files: ExecFiles, size: TerminalSize): Child {
  const { rows, columns } = size;
  const line = [
    `stty raw -echo rows ${rows} cols ${columns}`,
    `tty > ${quoted(files.terminal)}`,
    `exec ${command.map(quoted).join(' ')}`,
  ].join(' && ');
  const args = ['--quiet', '--return', '--flush', '--command', line, '/dev/null'];
  const env = { ...runtimeVariables, SHELL: '/bin/sh' };
  return spawn('script', args, { stdio: ['pipe', 'pipe', 'pipe'], env });
}

/**
 * What is typed waits until the command has its own terminal. The one of `script` would act on it
 * before it is raw: show it, end lines, drop what is too much, and be ended by ^C.
 */
function typedAhead(child: Child, pidFile: string): Writable {
  const typed = new PassThrough();
  child.once('exit', () => void typed.destroy());
  const pass = async (): Promise<void> => {
    await started(child, pidFile);
    await pipeline(typed, child.stdin, { end: false });
    // `script` would tell of the end only when all before it is read within two seconds.
    child.stdin.write(endOfInput);
  };
  // Nobody reads any more what was typed for a command that ended.
  pass().catch(() => {});
  return typed;
}

/** ^D */
const endOfInput = '\x04';

/** Resolves when runc has started the command, or failed to. */
async function started(child: Child, pidFile: string): Promise<void> {
  while (!isOver(child) && (await textOf(pidFile)) === '') await delay(startedLookMs);
}

/** Nobody notices when what he types comes that much later, ms. */
const startedLookMs = 10;

function isOver({ exitCode, signalCode }: Child): boolean {
  return exitCode !== null || signalCode !== null;
}

async function resize(terminalFile: string, size: TerminalSize): Promise<void> {
  const { rows, columns } = boundedSize(size);
  const terminal = (await textOf(terminalFile)).trim();
  if (terminal === '') return;
  await runProgram('stty', ['-F', terminal, 'rows', String(rows), 'cols', String(columns)]);
}

function boundedSize({ rows, columns }: TerminalSize): TerminalSize {
  const bounded = (side: number): number =>
    Math.max(1, Math.min(terminalSideMax, Math.trunc(side)));
  return { rows: bounded(rows), columns: bounded(columns) };
}

/** Killing runc in the middle of starting it could leave it to run alone: it is awaited. */
async function kill(child: Child, pidFile: string): Promise<void> {
  const what = 'the end of a command in a container';
  const options = { timeoutMs: killTimeoutMs, what };
  await waitFor(async () => isOver(child) || (await textOf(pidFile)) !== '', options);
  const pid = Number(await textOf(pidFile));
  if (isOver(child) || pid === 0) return;
  endProcess(pid);
  await waitFor(() => isOver(child), options);
}

const killTimeoutMs = 5_000;

/** Empty when there is none. */
async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function full(max: number, where: string): GridError<NodeErrorCode> {
  return new GridError('NODE_EXEC_FULL', `${max} commands run ${where} already`, {
    retryable: true,
    details: { max },
  });
}
