import { askControl, formatBytes, isGridError, shutdownSignal } from '@commongrid/base';
import type { ControlContext } from '@commongrid/base';
import type { AuditCounts, CareStatus } from '@commongrid/zstor';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted } from '../../terminal.ts';
import { describeBackends } from '../describe-backends.ts';
import { withByteProgress } from '../../byte-progress.ts';
import { storeCommand, withStore } from './store.ts';
import type { StoreOptions } from './store.ts';

type DrainOptions = StoreOptions & { readonly undo?: boolean };

export function zstorStatusCommand(context: CommandContext): Command {
  return storeCommand('status', 'Tell how the backends are, and whether anything is missing.')
    .addHelpText('after', '\nExit status 0 when nothing is missing, 1 when something is.')
    .action(async (options: StoreOptions) => {
      const status = (await ask(context, options, 'status', {})) as CareStatus;
      if (status.needyChunks > 0) context.exitStatus = 1;
      const result = { schema: 'grid.zstor.status.1', ...status };
      printResult(context, options, result, () => describeStatus(status));
    });
}

export function zstorRepairCommand(context: CommandContext): Command {
  return storeCommand('repair', 'Make again now what is lost, without waiting for who may be back.')
    .addHelpText(
      'after',
      '\nA store that is running does so by itself. Exit status 1 when something stays missing.',
    )
    .action(async (options: StoreOptions) => {
      const status = await askForStatus(context, options, 'repairing', 'repair', {});
      if (status.needyChunks > 0) context.exitStatus = 1;
      const result = { schema: 'grid.zstor.repair.1', ...status };
      printResult(context, options, result, () => describeStatus(status));
    });
}

export function zstorScrubCommand(context: CommandContext): Command {
  return storeCommand('scrub', 'Have all backends read what they have, and repair what is wrong.')
    .addHelpText('after', '\nA store that is running does so by itself, within three days.')
    .action(async (options: StoreOptions) => {
      const counts = await withByteProgress(context.terminal, 'scrubbing', async (onProgress) => {
        const tell = (event: unknown): void => {
          onProgress({ doneBytes: (event as AuditCounts).bytes, totalBytes: undefined });
        };
        return (await ask(context, options, 'scrub', {}, tell)) as AuditCounts;
      });
      const result = { schema: 'grid.zstor.scrub.1', ...counts };
      printResult(context, options, result, () => describeScrub(counts));
    });
}

export function zstorDrainCommand(context: CommandContext): Command {
  return storeCommand('drain', 'Empty a backend, so that it can be taken away.')
    .argument('<backend>', 'HOST:PORT/NAMESPACE, as `grid zstor status` shows it')
    .option('--undo', 'use it again')
    .addHelpText(
      'after',
      '\nIt is read from meanwhile, and takes nothing new. Exit status 0 when it is empty, 1 when what' +
        '\nit has finds no other place.',
    )
    .action(async (name: string, options: DrainOptions) => {
      const { undo = false } = options;
      const what = `emptying ${name}`;
      const status = await askForStatus(context, options, what, 'drain', { name, undo });
      const shards = status.backends.find((backend) => backend.name === name)?.shards ?? 0;
      if (!undo && shards > 0) context.exitStatus = 1;
      const result = { schema: 'grid.zstor.drain.1', name, undo, shards };
      printResult(context, options, result, () => {
        if (undo) return `${name} is used again`;
        return shards === 0 ? `${name} is empty` : `${name} still has ${shards} shards`;
      });
    });
}

async function askForStatus(
  context: CommandContext,
  options: StoreOptions,
  what: string,
  action: string,
  args: Readonly<Record<string, unknown>>,
): Promise<CareStatus> {
  return withByteProgress(context.terminal, what, async (onProgress) => {
    let beforeBytes: number | undefined;
    const tell = (event: unknown): void => {
      const { bytes } = (event as CareStatus).repaired;
      beforeBytes ??= bytes;
      onProgress({ doneBytes: bytes - beforeBytes, totalBytes: undefined });
    };
    return (await ask(context, options, action, args, tell)) as CareStatus;
  });
}

/** Asks the process that has the store open, or else opens it for as long as that takes. */
async function ask(
  context: CommandContext,
  options: StoreOptions,
  action: string,
  args: Readonly<Record<string, unknown>>,
  progress: ControlContext['progress'] = () => {},
): Promise<unknown> {
  const { controlPathOf } = await import('@commongrid/zstor');
  const signal = shutdownSignal();
  try {
    const path = controlPathOf(options.data);
    return await askControl(path, action, args, { signal, onProgress: progress });
  } catch (error) {
    if (!isGridError(error, 'BASE_CONTROL_ABSENT')) throw error;
  }
  return withStore(context, options, async (store, ended) => {
    return store.actions[action]?.(args, { signal: ended, progress });
  });
}

function describeStatus(status: CareStatus): string {
  const { needyChunks, missingShards, unreadableChunks, pending, backends, log } = status;
  const chunks = counted(status.chunks, 'chunk');
  const state =
    needyChunks === 0
      ? `nothing is missing in ${chunks}`
      : `${needyChunks} of ${chunks} lack shards or have them in a wrong place, ` +
        `${counted(missingShards, 'shard')} missing`;
  return [
    describeBackends(backends),
    state,
    ...(unreadableChunks === 0 ? [] : [`${counted(unreadableChunks, 'chunk')} cannot be read now`]),
    ...(pending === 0 ? [] : [`${counted(pending, 'chunk')} are being repaired`]),
    ...(log.inStep === log.members
      ? []
      : [`${log.inStep} of ${log.members} members of the log answer and have all of it`]),
  ].join('\n');
}

function describeScrub({ chunks, shards, bytes, faults, away }: AuditCounts): string {
  return [
    `${shards} shards of ${chunks} chunks were read, ${formatBytes(bytes)}`,
    faults === 0 ? 'nothing was wrong' : `${faults} were missing or wrong, and are made again`,
    ...(away === 0 ? [] : [`${away} are on backends that do not answer`]),
  ].join('\n');
}
