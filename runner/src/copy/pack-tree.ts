import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename, dirname } from 'node:path';
import { PassThrough, Readable } from 'node:stream';

import { errorCode, GridError } from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';

/** Of what a program says on stderr, the end. */
const saidCharactersMax = 2_000;

/** What busybox unpacks as well, whatever the length of names; a backslash in a name is one. */
const words = ['--create', '--format=gnu', '--numeric-owner', '--no-unquote', '--file=-'];

/** A file or folder as a tar. */
export interface PackedTree extends Disposable {
  /** Ends once all of it came; of what is not whole it breaks with GRID_COPY_FAILED. */
  readonly content: Readable;
}

/** Packs what is at a path by the `tar` of this machine, which ends with what is given. */
export function packTree(path: string): PackedTree {
  const args = [...words, `--directory=${dirname(path)}`, '--', `./${basename(path)}`];
  const tar = spawn('tar', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  // Read from at once: what nobody reads is dropped when the program ends.
  const packed = tar.stdout.pipe(new PassThrough());
  const said = saidBy(tar.stderr);
  const ended = once(tar, 'close') as Promise<[number | null]>;
  // One that cannot be started says so before anybody asks how it ended.
  ended.catch(() => packed.end());
  return {
    content: Readable.from(wholeOf(packed, ended, said)),
    [Symbol.dispose]: () => void tar.kill(),
  };
}

async function* wholeOf(
  packed: Readable,
  ended: Promise<[number | null]>,
  said: () => string,
): AsyncGenerator<Buffer> {
  for await (const chunk of packed) yield chunk as Buffer;
  const [status] = await ended.catch((error: unknown) => {
    throw notStarted(error);
  });
  if (status !== 0) throw failedCopy(`tar here ended with ${status}: ${said()}`);
}

/** Gives what a program has said, in one line. */
export function saidBy(stream: Readable): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-saidCharactersMax);
  });
  return () => text.trim().replaceAll(/\s*\n\s*/g, '; ');
}

export function failedCopy(why: string): GridError<GridErrorCode> {
  return new GridError('GRID_COPY_FAILED', `nothing was copied: ${why}`, {
    hint: 'mend what it says, and copy again',
  });
}

function notStarted(cause: unknown): GridError<GridErrorCode> {
  const why = errorCode(cause) ?? String(cause);
  return new GridError('GRID_COPY_FAILED', `nothing was copied: tar cannot be run here: ${why}`, {
    hint: 'install tar on this machine (apt install tar), and copy again',
    cause,
  });
}
