import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';

import { errorCode, GridError, throwIfAborted } from '@commongrid/base';
import { maxCanonicalBytes } from '@commongrid/crypto';
import { definitionFault } from '../definition/fault.ts';
import type { ContractErrorCode } from '../errors.ts';
import type { CodeAnswer } from './contract-code-process.ts';

export interface RunCodeOptions {
  /** After that it is killed. Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CodeResult {
  /** What the file exports as its default, as JSON says it. */
  readonly value: unknown;
  /** What it printed meanwhile, for its author. */
  readonly printed: string;
}

const timeoutMsDefault = 10_000;
const answerDescriptor = 3;
const heapMiB = 256;
/** Of what it prints. */
const printedCharactersMax = 65_536;

/**
 * Runs code of a contract, in a process of its own, and gives what it says. The process has no
 * variables, may read files of the folder of the code, and has no network, no other programs, threads,
 * native code or database, by the permissions of Node. These hold back code that goes wrong; they are
 * no wall against code that was written to break out.
 * @throws CONTRACT_FILE_UNREADABLE, CONTRACT_CODE_DENIED, CONTRACT_CODE_FAILED, CONTRACT_CODE_TIMEOUT,
 *   CONTRACT_DEFINITION_INVALID
 */
export async function runContractCode(
  path: string,
  { timeoutMs = timeoutMsDefault, signal }: RunCodeOptions = {},
): Promise<CodeResult> {
  throwIfAborted(signal);
  const file = await realPathOf(path);
  const child = spawn(process.execPath, wordsFor(file), {
    cwd: dirname(file),
    env: {},
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  });
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('the pipes of a program are missing');
  const ended = once(child, 'close');
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const stop = (): unknown => child.kill('SIGKILL');
  try {
    const [answer, out, said] = await Promise.all([
      gather(child.stdio[answerDescriptor] as Readable, maxCanonicalBytes, stop),
      gather(stdout, printedCharactersMax, stop),
      gather(stderr, printedCharactersMax, stop),
      ended,
    ]);
    throwIfAborted(signal);
    if (isLate) throw timedOut(path, timeoutMs);
    return { value: valueOf(answer, said, path), printed: `${out}${said}` };
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function wordsFor(file: string): readonly string[] {
  const own = resolve(import.meta.dirname, '..');
  const folders = [dirname(file), join(own, 'code'), join(own, 'definition')];
  return [
    '--permission',
    ...folders.map((folder) => `--allow-fs-read=${join(folder, '*')}`),
    // It would open files past the permissions.
    '--no-experimental-sqlite',
    '--disallow-code-generation-from-strings',
    `--max-old-space-size=${heapMiB}`,
    join(import.meta.dirname, 'contract-code-process.ts'),
    file,
    String(answerDescriptor),
  ];
}

/** Text of a stream; too much of it ends the program. */
async function gather(stream: Readable, max: number, stop: () => unknown): Promise<string> {
  stream.setEncoding('utf8');
  let text = '';
  for await (const part of stream) {
    text += String(part);
    if (text.length <= max) continue;
    stop();
    return text.slice(0, max);
  }
  return text;
}

function valueOf(answer: string, said: string, path: string): unknown {
  const read = parseAnswer(answer);
  if (read?.is === 'contract') return read.value;
  if (read?.is === 'invalid') throw definitionFault(read.path, read.message);
  const isDenied = read?.is === 'denied' || said.includes('ERR_ACCESS_DENIED');
  const why = read?.message ?? (said.trim().slice(-2_000) || 'it ended without a word');
  if (isDenied) {
    throw new GridError<ContractErrorCode>(
      'CONTRACT_CODE_DENIED',
      `${path} asked for what contracts may not have: ${why}`,
      { hint: 'give what it needs as a file beside it', details: { path } },
    );
  }
  throw new GridError<ContractErrorCode>('CONTRACT_CODE_FAILED', `${path} failed: ${why}`, {
    hint: 'correct it; it has to end with: export default contract({ ... })',
    details: { path },
  });
}

/** Undefined where the process ended before it answered, or answered too much. */
function parseAnswer(answer: string): CodeAnswer | undefined {
  try {
    return JSON.parse(answer) as CodeAnswer;
  } catch {
    return undefined;
  }
}

async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw unreadable(path, errorCode(cause) ?? String(cause), cause);
  }
}

/** A file of a contract that cannot be read. */
export function unreadable(
  path: string,
  why: string,
  cause: unknown,
): GridError<ContractErrorCode> {
  return new GridError('CONTRACT_FILE_UNREADABLE', `cannot read ${path}: ${why}`, {
    hint: 'name a file of a contract: FILE.contract.ts, or its JSON',
    details: { path },
    cause,
  });
}

function timedOut(path: string, timeoutMs: number): GridError<ContractErrorCode> {
  return new GridError('CONTRACT_CODE_TIMEOUT', `${path} did not end within ${timeoutMs} ms`, {
    hint: 'it has to say what is wanted, and nothing else',
    details: { path, timeoutMs },
  });
}
