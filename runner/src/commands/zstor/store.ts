import { join } from 'node:path';

import { isGridError, shutdownSignal } from '@commongrid/base';
import type { ChunkPolicy, Stor } from '@commongrid/zstor';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import { counted, withProgress } from '../../terminal.ts';

/** Which store a command works on. */
export type StoreOptions = JsonOption & {
  readonly backends: string;
  readonly data: string;
  readonly keyFile?: string;
};

/** A code as the command line has it. */
export interface Shards {
  readonly dataShards: number;
  readonly parityShards: number;
}

export const usualShards: Shards = { dataShards: 16, parityShards: 4 };

/** A command on a store. */
export function storeCommand(name: string, description: string): Command {
  return resultCommand(name, description)
    .requiredOption('--backends <file>', 'the Zero-DBs of the store, a list in JSON')
    .requiredOption('--data <folder>', 'where its tables are kept here; made when missing')
    .option('--key-file <file>', 'the key of the store; default: `key` in that folder');
}

interface WorkOptions extends StoreOptions {
  readonly shards?: Shards | undefined;
  readonly canBegin?: boolean;
  /** The work leaves something that is to be deleted. */
  readonly isRemoving?: boolean;
}

/**
 * Opens the store, runs `work`, does what a command leaves for a head that stays, and closes it. SIGINT
 * and SIGTERM end the work.
 */
export async function withStore<T>(
  context: CommandContext,
  options: WorkOptions,
  work: (store: Stor, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { checkPolicy, Stor } = await import('@commongrid/zstor');
  const signal = shutdownSignal();
  const { backends, data, keyFile = join(data, 'key'), canBegin = false } = options;
  const policy = checkPolicy({ ...usualShape, ...(options.shards ?? usualShards) });
  const opening = Stor.open({
    ...{ folder: data, backendsFile: backends, keyFile, policy, canBegin, signal },
  });
  await using store = await withProgress(context.terminal, 'opening the store', opening);
  const result = await work(store, signal);
  const closing = tidyUp(context, store, { isRemoving: options.isRemoving === true, signal });
  await withProgress(context.terminal, 'tidying up', closing);
  return result;
}

/** The work is done, whatever comes of this: the next command goes on with it. */
async function tidyUp(
  { terminal }: CommandContext,
  store: Stor,
  { isRemoving, signal }: { readonly isRemoving: boolean; readonly signal: AbortSignal },
): Promise<void> {
  try {
    const left = isRemoving && !store.isRebuilt ? await store.deleteRemoved(signal) : 0;
    if (left > 0) {
      terminal.note(
        `${counted(left, 'chunk')} of removed files are left: the next put or rm goes on`,
      );
    }
    if (!signal.aborted) await store.takeSnapshotInTime();
  } catch (error) {
    if (!isGridError(error)) throw error;
    terminal.note(`the store was not tidied: ${error.message}`);
  }
}

/** Reads `16+4`. */
export function parseShards(text: string): Shards {
  const [, dataShards, parityShards] = /^(\d{1,3})\+(\d{1,3})$/.exec(text) ?? [];
  if (dataShards === undefined || parityShards === undefined) {
    throw new InvalidArgumentError('give data and parity shards such as 16+4');
  }
  return { dataShards: Number(dataShards), parityShards: Number(parityShards) };
}

export function formatShards({ dataShards, parityShards }: Shards): string {
  return `${dataShards}+${parityShards}`;
}

/** Chunks of files that are put by hand. */
export const usualShape: Pick<ChunkPolicy, 'chunkSizeBytes' | 'compression'> = {
  chunkSizeBytes: 4 * 2 ** 20,
  compression: 'zstd',
};
