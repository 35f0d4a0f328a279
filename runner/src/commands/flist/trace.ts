import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted } from '../../terminal.ts';
import { ImageStore, storeSubcommand } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';
import { withRepository } from './made-flist.ts';
import { mounted, requireRoot } from './mounts.ts';

type TraceOptions = StoreOptions & { readonly for: number };

const defaultSeconds = 10;

export function flistTraceCommand(context: CommandContext): Command {
  return storeSubcommand(
    'trace',
    'Note what a start of an image reads, so that it is fetched first.',
  )
    .argument('<flist>', 'its digest, the beginning of it, or a file')
    .argument('<command...>', 'what starts it, behind --; its root is the image')
    .option('--for <seconds>', 'how long it may run', parseSeconds, defaultSeconds)
    .addHelpText('after', '\nThe flist with that list is another one: its digest is printed.')
    .action(async (name: string, words: readonly string[], options: TraceOptions) => {
      requireRoot(context);
      const folder = await mkdtemp(join(tmpdir(), 'grid-trace-'));
      const store = new ImageStore(context, options);
      const id = `trace-${process.pid}`;
      try {
        const { target } = await mounted(context, options, name, {
          ...{ id, target: folder, isTraced: true },
        });
        try {
          await runIn(target, words, options.for);
          const output = `${folder}.flist`;
          const { ranges } = await store.ask<{ ranges: number }>('trace', { id, output });
          const packed = await readFile(output);
          await rm(output);
          const digest = await withRepository(context, options, (repository) =>
            repository.putFlist(packed),
          );
          const result = { schema: 'grid.flist.trace.1', digest, ranges };
          printResult(context, options, result, () =>
            [digest, `  ${counted(ranges, 'range')} of files are read at the start`].join('\n'),
          );
        } finally {
          await store.ask('unmount', { id });
        }
      } finally {
        await store.stopUnused();
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

async function runIn(target: string, words: readonly string[], seconds: number): Promise<void> {
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child'];
  const child = spawn('unshare', [...namespaces, 'sh', '-c', script, 'sh', target, ...words], {
    stdio: ['ignore', process.stderr, process.stderr],
  });
  const timer = setTimeout(() => child.kill('SIGTERM'), seconds * 1000);
  try {
    await once(child, 'exit');
  } finally {
    clearTimeout(timer);
  }
}

function parseSeconds(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number of seconds');
}
