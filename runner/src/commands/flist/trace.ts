import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { GridError, shutdownSignal, throwIfAborted } from '@commongrid/base';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { counted, withProgress } from '../../terminal.ts';
import { findImage, flistArgument } from './find-image.ts';
import { ImageStore, storeSubcommand } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';
import { bringContent, withRepository } from './made-flist.ts';
import { mounted, requireRoot } from './mounts.ts';

type TraceOptions = StoreOptions & { readonly for: number };

const defaultSeconds = 10;

export function flistTraceCommand(context: CommandContext): Command {
  return storeSubcommand(
    'trace',
    'Note what a start of an image reads, so that it is fetched first.',
  )
    .argument('<flist>', flistArgument)
    .argument('<command...>', 'what starts it, behind --; its root is the image')
    .option('--for <seconds>', 'how long it may run', parseSeconds, defaultSeconds)
    .addHelpText(
      'after',
      '\nThe flist with that list is another one: its digest is printed. It is kept in the repository,' +
        '\nwith all of its content.',
    )
    .action(async (name: string, words: readonly string[], options: TraceOptions) => {
      requireRoot(context);
      const signal = shutdownSignal();
      const image = await findImage(context, options, name);
      const folder = await mkdtemp(join(tmpdir(), 'grid-trace-'));
      const store = new ImageStore(context, options);
      const id = `trace-${process.pid}`;
      try {
        const { target } = await mounted(context, options, image, {
          ...{ id, target: folder, isTraced: true },
        });
        try {
          const run = runIn(target, words, options.for, signal);
          const status = await withProgress(context.terminal, `running ${words[0]}`, run);
          throwIfAborted(signal);
          checkStarted(status, words);
          if (status !== undefined && status !== 0) {
            context.terminal.note(`the program ended with status ${status}`);
          }
          const output = `${folder}.flist`;
          const { ranges } = await store.ask<{ ranges: number }>('trace', { id, output });
          const packed = await readFile(output);
          await rm(output);
          const digest = await withRepository(context, options, async (repository) => {
            const bringing = bringContent(image, repository, signal);
            await withProgress(context.terminal, `fetching ${name}`, bringing);
            return repository.putFlist(packed);
          });
          const result = { schema: 'grid.flist.trace.1', digest, ranges };
          printResult(context, options, result, () =>
            [digest, `  ${counted(ranges, 'range')} of files are read at the start`].join('\n'),
          );
        } finally {
          await store.unmount({ id });
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
}

/** In namespaces of its own, with /dev and /proc where the image has these folders. */
const script = [
  '[ ! -d "$1/dev" ] || mount --rbind /dev "$1/dev"',
  '[ ! -d "$1/proc" ] || mount -t proc proc "$1/proc"',
  'root=$1; shift; exec chroot "$root" "$@"',
].join('\n');

/** @returns the status of the program; undefined for one that was still running */
async function runIn(
  target: string,
  words: readonly string[],
  seconds: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child'];
  const child = spawn('unshare', [...namespaces, 'sh', '-c', script, 'sh', target, ...words], {
    stdio: ['ignore', process.stderr, process.stderr],
  });
  // What unshare started ends with it.
  const stop = (): boolean => child.kill('SIGKILL');
  const timer = setTimeout(stop, seconds * 1000);
  signal.addEventListener('abort', stop);
  try {
    const [status] = (await once(child, 'exit')) as [number | null];
    return status ?? undefined;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** chroot(1) and shells say 126 and 127 of a program that they cannot start. */
function checkStarted(status: number | undefined, words: readonly string[]): void {
  if (status === undefined || status < 125 || status > 127) return;
  throw new GridError<GridErrorCode>('GRID_START_FAILED', `${words[0]} did not start`, {
    hint: 'give the path that the program has in the image: grid flist ls FLIST',
    details: { status },
  });
}

function parseSeconds(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number of seconds');
}
