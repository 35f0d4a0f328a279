import { join } from 'node:path';

import { shutdownSignal } from '@commongrid/base';
import type { RebuildOptions, RebuildReport } from '@commongrid/zstor';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { withProgress } from '../../terminal.ts';
import { formatShards, parseShards, storeCommand, usualShape, usualShards } from './store.ts';
import type { Shards, StoreOptions } from './store.ts';

type Options = StoreOptions & {
  readonly shards: Shards;
  readonly withoutLog?: true;
  readonly accept?: true;
};

/** What a rebuild is told, whichever tables the store has. */
export type RebuildArguments = Omit<RebuildOptions, 'schema' | 'apply' | 'actions'>;

export function zstorRebuildCommand(context: CommandContext): Command {
  return rebuildCommand('Make the tables of a store of files again, while nobody uses it.')
    .option('--accept', 'of a store that was rebuilt: its files are right, deleting may go on')
    .action(async (options: Options) => {
      const { Stor } = await import('@commongrid/zstor');
      if (options.accept !== true) {
        await rebuild(context, options, (given) => Stor.rebuild(given));
        return;
      }
      await using store = await Stor.open(await argumentsOf(options));
      await store.acceptRebuild();
      const result = { schema: 'grid.zstor.rebuild.1', isAccepted: true };
      printResult(context, options, result, () => 'what was rebuilt is accepted');
    });
}

/** `rebuild`, for stores of any kind. */
export function rebuildCommand(description: string): Command {
  return storeCommand('rebuild', description)
    .option(
      '--shards <k+m>',
      `data and parity shards of snapshots, and m of the log; default ${formatShards(usualShards)}`,
      parseShards,
      usualShards,
    )
    .option('--without-log', 'the log is lost, though not all that may have it answer')
    .addHelpText(
      'after',
      '\nWith the log the tables are exactly what they were. Without it, they are those that are here, if' +
        '\nthey are sound and newer, or the newest snapshot, and what manifests say of later versions: none is' +
        '\nlost, but what was deleted may be back, and nothing is deleted before that is accepted. Tables that' +
        '\nare here are set aside.',
    );
}

/** Runs it, and says what was done. */
export async function rebuild(
  context: CommandContext,
  options: Options,
  run: (given: RebuildArguments) => Promise<RebuildReport>,
): Promise<void> {
  const given = await argumentsOf(options);
  const report = await withProgress(context.terminal, 'rebuilding', run(given));
  if (report.unreadableChunks > 0 || report.damagedManifests > 0) context.exitStatus = 1;
  const result = { schema: 'grid.zstor.rebuild.1', ...report };
  printResult(context, options, result, () => describe(report));
}

async function argumentsOf(options: Options): Promise<RebuildArguments> {
  const { checkPolicy } = await import('@commongrid/zstor');
  const { backends, data, keyFile = join(data, 'key'), shards, withoutLog = false } = options;
  const policy = checkPolicy({ ...usualShape, ...shards });
  const signal = shutdownSignal();
  return { folder: data, backendsFile: backends, keyFile, policy, withoutLog, signal };
}

function describe(report: RebuildReport): string {
  const { from, restoredVersions, relocatedChunks } = report;
  const { damagedManifests, unreadableChunks, setAside } = report;
  return [
    ...(setAside === undefined ? [] : [`the tables that were here are in ${setAside}`]),
    fromTexts[from],
    ...(from === 'log' ? [] : [`${restoredVersions} versions were found by their manifests`]),
    ...(relocatedChunks === 0 ? [] : [`${relocatedChunks} chunks had shards elsewhere`]),
    ...(damagedManifests === 0 ? [] : [`${damagedManifests} manifests cannot be read`]),
    ...(unreadableChunks === 0 ? [] : [`${unreadableChunks} chunks cannot be read now`]),
  ].join('\n');
}

const fromTexts: Record<RebuildReport['from'], string> = {
  log: 'the tables are what they were, out of snapshot and log',
  tables: 'the tables are those that were here, and what manifests say; look, then accept them',
  snapshot: 'the tables are made of the newest snapshot and of manifests; look, then accept them',
  manifests: 'the tables are made of manifests alone; look, then accept them',
};
