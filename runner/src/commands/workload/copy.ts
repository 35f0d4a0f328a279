import { once } from 'node:events';
import { lstat } from 'node:fs/promises';
import { basename, posix, resolve } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';

import { errorCode, formatBytes, GridError, isGridError } from '@commongrid/base';
import type { WorkloadSummary } from '@commongrid/node';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import {
  placeTakenStatus,
  programMissingStatus,
  receiveScript,
  sendScript,
} from '../../copy/container-scripts.ts';
import { failedCopy, packTree, saidBy } from '../../copy/pack-tree.ts';
import { receiveTree } from '../../copy/receive-tree.ts';
import type { GridErrorCode } from '../../errors.ts';
import { workloadName } from '../../node/find-workload.ts';
import { counted, withProgress } from '../../terminal.ts';
import { accessCommand, signedCall } from './access-call.ts';
import type { AccessOptions } from './access-call.ts';
import { containerHere } from './find-here.ts';

/** A place in a container. */
interface InContainer {
  readonly workload: string;
  /** Absolute, without an end of `/`. */
  readonly path: string;
}

const placeArgument = 'a path here, or NAME:/PATH in a container, NAME as of other commands';

export function cpCommand(context: CommandContext): Command {
  return accessCommand('cp', 'Copy a file or folder into a container of yours, or out of it.')
    .argument('<from-path>', placeArgument)
    .argument('<to-path>', placeArgument)
    .action(async (from: string, to: string, options: AccessOptions) => {
      const [source, target] = [inContainer(from), inContainer(to)];
      if (from === '' || to === '') throw emptyPath();
      if (source !== undefined && target === undefined) {
        await copyOut(context, options, source, to);
      } else if (source === undefined && target !== undefined) {
        await copyIn(context, options, from, target);
      } else {
        const message = 'one of both is a place in a container, and the other one is here';
        throw new GridError<GridErrorCode>('GRID_USAGE', message, {
          hint: 'grid cp web:/data/file ., or grid cp file web:/data',
        });
      }
    });
}

/** `NAME:/PATH`, unless it is plainly a path here. @throws GRID_USAGE */
export function inContainer(text: string): InContainer | undefined {
  const [, workload, given] = /^((?:contract:)?[^:]+):(\/.*)$/s.exec(text) ?? [];
  if (workload === undefined || given === undefined || /^\.{0,2}\//.test(text)) return undefined;
  const path = given.length > 1 ? given.replace(/\/+$/, '') : given;
  return { workload, path };
}

async function copyOut(
  context: CommandContext,
  options: AccessOptions,
  { workload, path }: InContainer,
  to: string,
): Promise<void> {
  const name = posix.basename(path);
  if (['', '.', '..'].includes(name)) throw unnamed(path);
  const container = await containerHere(context, options, workload);
  const stdout = new PassThrough();
  const hangUp = new AbortController();
  const command = ['/bin/sh', '-c', sendScript, 'sh', path];
  const done = runThere(context, options, container, {
    ...{ command, stdin: Readable.from([]), stdout, signal: hangUp.signal },
  }).finally(() => stdout.end());
  done.catch(() => {});
  try {
    const received = receiveTree(stdout, { name, to: resolve(to), isWhole: () => done });
    const got = await withProgress(context.terminal, `copying ${path}`, received);
    const result = { schema: 'grid.cp.1', workload: container.id, ...got };
    printResult(
      context,
      options,
      result,
      ({ path: place, files, bytes }) =>
        `${place}: ${counted(files, 'file')}, ${formatBytes(bytes)}`,
    );
  } catch (error) {
    hangUp.abort();
    // What is wrong there shows here as a tar that ends too early.
    throw isGridError(error) && error.code.startsWith('FLIST_')
      ? await firstOf(done, error)
      : error;
  }
}

async function copyIn(
  context: CommandContext,
  options: AccessOptions,
  from: string,
  { workload, path }: InContainer,
): Promise<void> {
  const source = resolve(from);
  const name = basename(source);
  if (name === '') throw unnamed(source);
  await requireThere(source);
  const container = await containerHere(context, options, workload);
  const hangUp = new AbortController();
  using packed = packTree(source);
  // Only what is whole ends: of the rest the receiver hears no end, but that nobody is there any more.
  const { content: stdin } = packed;
  const failed = once(stdin, 'error').then(([error]) => {
    hangUp.abort();
    throw error;
  });
  failed.catch(() => {});
  const command = ['/bin/sh', '-c', receiveScript, 'sh', path, name];
  const done = runThere(context, options, container, {
    ...{ command, stdin, stdout: nowhere(), signal: hangUp.signal },
  });
  await withProgress(context.terminal, `copying ${source}`, Promise.race([done, failed]));
  const result = { schema: 'grid.cp.1', workload: container.id, from: source, to: path };
  printResult(
    context,
    options,
    result,
    () => `${source} is in ${workloadName(container)}: ${path}`,
  );
}

interface Call {
  readonly command: readonly string[];
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly signal: AbortSignal;
}

/** Resolves once it ended well. @throws GRID_COPY_TOOLS_MISSING, GRID_FILE_EXISTS, GRID_COPY_FAILED */
async function runThere(
  context: CommandContext,
  options: AccessOptions,
  container: WorkloadSummary,
  call: Call,
): Promise<void> {
  const { callExec } = await import('@commongrid/node');
  const signed = await signedCall(context, options, container, 'exec');
  const stderr = new PassThrough();
  const said = saidBy(stderr);
  let status: number;
  try {
    status = await callExec({ ...signed, ...call, stderr });
  } catch (error) {
    throw isGridError(error, 'NODE_COMMAND_MISSING') ? toolsMissing(container, error) : error;
  }
  if (status === 0) return;
  if (status === programMissingStatus) throw toolsMissing(container);
  if (status === placeTakenStatus) {
    throw new GridError<GridErrorCode>('GRID_FILE_EXISTS', said(), {
      hint: 'move it away, or name another place',
    });
  }
  throw failedCopy(said() || `it ended with ${status} in the container`);
}

/** What a command in the container says, where that is why the rest does not work. */
async function firstOf(done: Promise<void>, error: unknown): Promise<unknown> {
  try {
    await done;
    return error;
  } catch (reason) {
    return isGridError(reason, 'NODE_ACCESS_LOST') ? error : reason;
  }
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

/** @throws GRID_FILE_UNREADABLE */
async function requireThere(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (cause) {
    const why = errorCode(cause) ?? String(cause);
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot copy ${path}: ${why}`, {
      hint: 'name a file or folder that is there',
      details: { path },
      cause,
    });
  }
}

/** As of a variable that is not set: the folder where somebody happens to be is not meant. */
function emptyPath(): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', 'one of the paths is empty', {
    hint: 'say . for this folder',
  });
}

function unnamed(path: string): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', `${path} has no name that the copy could have`, {
    hint: 'name a file or folder in it',
  });
}

function toolsMissing(container: WorkloadSummary, cause?: unknown): GridError<GridErrorCode> {
  const name = workloadName(container);
  const message = `the image of ${name} lacks sh, mktemp or tar, by which files are copied`;
  return new GridError('GRID_COPY_TOOLS_MISSING', message, {
    hint: 'copy through a container that has them and the same volume, or put the files into the image',
    details: { workload: container.id },
    cause,
  });
}
