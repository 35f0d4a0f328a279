import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { constants, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

import { delay, errorCode, identityOf, withTimeout } from '@commongrid/base';
import type { ProcessIdentity } from '@commongrid/base';

import { inNetwork, runtimeError, runtimeVariables } from './runc.ts';
import type { Runc } from './runc.ts';

export interface ConmonOptions {
  readonly program: string;
  readonly runc: Runc;
  readonly id: string;
  /** Folder with config.json; conmon keeps its own files there, too. */
  readonly bundleFolder: string;
  /** Where it writes a file with the exit code, named by the container. */
  readonly exitFolder: string;
  readonly logFile: string;
  /** Path of the network namespace that conmon, runc and the container are in. */
  readonly networkNamespace: string;
  readonly timeoutMs: number;
}

/** Files of a bundle. */
export const bundleFiles = {
  config: 'config.json',
  /** Number of the container's first process: there once it is made. */
  pid: 'pid',
  conmonPid: 'conmon.pid',
  conmonErrors: 'conmon.errors',
  /** There once the kernel ended something in it for want of memory. */
  outOfMemory: 'oom',
  control: 'ctl',
} as const;

/** A log that nobody rotates is begun anew at this size. */
const logBytesMax = 256 * 1024 * 1024;

/**
 * Lets conmon make a container, and stay as its parent: it writes the log, waits for its end and keeps
 * the exit code, whatever happens to this process.
 * @throws NODE_COMMAND_MISSING, NODE_CONTAINER_FAILED with what runc said, BASE_TIMEOUT
 */
export async function createUnderConmon(options: ConmonOptions): Promise<void> {
  const { program, bundleFolder, networkNamespace, timeoutMs } = options;
  const errorsPath = join(bundleFolder, bundleFiles.conmonErrors);
  await using errors = await open(errorsPath, 'w', 0o600);
  const enter = inNetwork(networkNamespace, [program, ...conmonArgs(options)]);
  const child = spawn(enter.program, enter.args, {
    cwd: bundleFolder,
    detached: true,
    // Descriptor 3 tells how it went. No pipe for the rest: it would be open for as long as conmon is.
    stdio: ['ignore', 'ignore', errors.fd, 'pipe'],
    env: { ...runtimeVariables, _OCI_SYNCPIPE: '3' },
  });
  const failed = new Promise<never>((_resolve, reject) => child.once('error', reject));
  const [, , , pipe] = child.stdio;
  const answers = pipe as Readable;
  const over = new AbortController();
  const answered = [firstLine(answers), failed, awaitLoss(bundleFolder, over.signal)];
  try {
    const what = `conmon to make container ${options.id}`;
    const answer = await withTimeout(() => Promise.race(answered), { timeoutMs, what });
    const { data, message } = parseAnswer(answer);
    if (data > 0) return;
    throw runtimeError(message || (await readFile(errorsPath, 'utf8')) || 'it does not say why');
  } finally {
    over.abort();
    answers.destroy();
    child.unref();
  }
}

function conmonArgs({ runc, id, bundleFolder, exitFolder, logFile }: ConmonOptions): string[] {
  const inBundle = (name: string): string => join(bundleFolder, name);
  return [
    ...['--api-version', '1', '--cid', id, '--cuuid', id, '--name', id],
    ...['--runtime', runc.program, ...runc.baseArgs.flatMap((arg) => ['--runtime-arg', arg])],
    // Keys are refused to containers, and a keyring for each would soon be more than a user may have.
    '--no-new-keyring',
    ...['--bundle', bundleFolder, '--persist-dir', bundleFolder, '--full-attach'],
    ...['--container-pidfile', inBundle(bundleFiles.pid)],
    ...['--conmon-pidfile', inBundle(bundleFiles.conmonPid)],
    ...['--exit-dir', exitFolder],
    // What is printed is no worse off in a power cut than what programs write to files.
    ...[
      '--log-path',
      `k8s-file:${logFile}`,
      '--log-size-max',
      String(logBytesMax),
      '--no-sync-log',
    ],
  ];
}

/**
 * Whether the conmon of a container lives: it alone holds the reading end of its fifo, and opening
 * that for writing fails when nobody reads.
 */
export async function isConmonAlive(bundleFolder: string): Promise<boolean> {
  return withControl(bundleFolder, async () => {});
}

/** As `isConmonAlive`, without waiting: neither call can block. */
export function hasConmon(bundleFolder: string): boolean {
  try {
    const path = join(bundleFolder, bundleFiles.control);
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    if (['ENXIO', 'ENOENT'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/**
 * Lets conmon begin its log anew, as a new file at the old path.
 * @returns whether there was a conmon to tell
 */
export async function reopenLog(bundleFolder: string): Promise<boolean> {
  // Message 2 of its protocol; the two numbers behind it are for messages about terminals.
  return withControl(bundleFolder, async (write) => write('2 0 0\n'));
}

async function withControl(
  bundleFolder: string,
  use: (write: (text: string) => Promise<void>) => Promise<void>,
): Promise<boolean> {
  const path = join(bundleFolder, bundleFiles.control);
  const flags = constants.O_WRONLY | constants.O_NONBLOCK;
  try {
    await using control = await open(path, flags);
    await use(async (text) => void (await control.write(text)));
    return true;
  } catch (error) {
    if (['ENXIO', 'ENOENT', 'EPIPE'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/** The conmon of a container, while it lives. */
export async function conmonOf(bundleFolder: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(join(bundleFolder, bundleFiles.conmonPid), 'utf8').catch(() => '');
  if (text === '') return undefined;
  const pid = Number(text);
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  // Another process may have its number by now.
  return commandLine.split('\0').includes(bundleFolder) ? identityOf(pid) : undefined;
}

/** Between two looks whether runc is still there; making a container mostly takes less. */
const lossEveryMs = 500;

/** Looks at which it has to be missing: conmon may not have started it yet. */
const lossLooks = 4;

/**
 * Resolves, with the answer that conmon owes, when runc was killed in the last moment of making a
 * container: conmon reads what runc says, and that only ends with the container, which waits.
 */
async function awaitLoss(bundleFolder: string, signal: AbortSignal): Promise<string> {
  for (let missing = 0; missing < lossLooks && !signal.aborted;) {
    await delay(lossEveryMs, { signal }).catch(() => {});
    missing = (await isBeingMade(bundleFolder)) ? 0 : missing + 1;
  }
  return '{"data": -1, "message": "runc was killed"}';
}

/** Whether conmon has a child that makes the container; true where that cannot be said. */
async function isBeingMade(bundleFolder: string): Promise<boolean> {
  const pid = (await conmonOf(bundleFolder))?.pid;
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = await readFile(path, 'utf8').catch(() => undefined);
  if (children === undefined) return true;
  for (const child of children.trim().split(' ')) {
    const commandLine = await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.split('\0').includes('create')) return true;
  }
  return false;
}

interface Answer {
  /** Number of the container's first process, or -1. */
  readonly data: number;
  readonly message: string;
}

async function firstLine(stream: Readable): Promise<string> {
  for await (const line of createInterface({ input: stream })) return line;
  return '';
}

/** Its JSON has raw control characters in what it quotes. */
function parseAnswer(line: string): Answer {
  const [, data = '-1', message = ''] =
    /^\{"data": ?(-?\d+)(?:, ?"message": ?"(.*)")?\}/s.exec(line) ?? [];
  return { data: Number(data), message: unescape(message) };
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, (_all, character: string) => {
    return character === 'n' ? '\n' : character;
  });
}
