import { Command } from 'commander';
import { formatBytes, GridError, shutdownSignal } from '@commongrid/base';
import type { FlistErrorCode, ServiceSource, SourceStatus } from '@commongrid/flist';

import { printResult } from '../../command-context.ts';
import { withByteProgress } from '../../byte-progress.ts';
import type { ByteProgress } from '../../byte-progress.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { openFilled } from '../../open-source.ts';
import type { FilledSource } from '../../open-source.ts';
import { counted, formatTable } from '../../terminal.ts';
import { parseShards } from '../zstor/store.ts';
import type { Shards } from '../zstor/store.ts';
import { findImage, flistArgument } from './find-image.ts';
import type { FoundImage } from './find-image.ts';
import { ImageStore, storeSubcommand } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';
import { parseSource, sourceText } from './source-text.ts';
import type { SourceSecrets } from './source-text.ts';

/** Chunks that are fetched and put at a time. */
const chunksAtOnce = 16;

type AddOptions = StoreOptions & SourceSecrets & { readonly first?: true };

export function flistSourcesCommand(context: CommandContext): Command {
  return new Command('sources')
    .description('Where content of mounted images is fetched from.')
    .addCommand(listCommand(context))
    .addCommand(addCommand(context))
    .addCommand(removeCommand(context))
    .addCommand(fillCommand(context));
}

function listCommand(context: CommandContext): Command {
  return storeSubcommand('list', 'List the sources in the order in which they are asked.').action(
    async (options: StoreOptions) => {
      const store = new ImageStore(context, options);
      await print(context, options, store);
    },
  );
}

function addCommand(context: CommandContext): Command {
  return withSecrets(storeSubcommand('add', 'Ask a further source, behind the others.'))
    .argument(
      '<source>',
      'a folder of flists, http://HUB, zdb://HOST:PORT/NAMESPACE or zstor:FOLDER with its tables',
    )
    .option('--first', 'ask it ahead of the others')
    .action(async (text: string, options: AddOptions) => {
      const store = new ImageStore(context, options);
      const added = parseSource(text, options);
      await store.changeSources((sources) => {
        const others = sources.filter((source) => sourceText(source) !== sourceText(added));
        return options.first === true ? [added, ...others] : [...others, added];
      });
      await print(context, options, store);
    });
}

function removeCommand(context: CommandContext): Command {
  return storeSubcommand('remove', 'Do not ask a source any more.')
    .argument('<source>', 'as `list` shows it')
    .action(async (text: string, options: StoreOptions) => {
      const store = new ImageStore(context, options);
      await store.changeSources((sources) => {
        const left = sources.filter((source) => !isCalled(source, text));
        if (left.length === sources.length) throw unknown(text);
        return left;
      });
      await print(context, options, store);
    });
}

type FillOptions = StoreOptions & SourceSecrets & { readonly shards?: Shards };

function fillCommand(context: CommandContext): Command {
  return withSecrets(
    storeSubcommand('fill', 'Put the content of an flist into a Zero-DB or a Zero-Stor.'),
  )
    .argument('<source>', 'zdb://HOST:PORT/NAMESPACE or zstor:FOLDER; a new store is made')
    .argument('<flist>', flistArgument)
    .option('--shards <k+m>', 'of a Zero-Stor: data and parity shards, default 16+4', parseShards)
    .action(async (text: string, name: string, options: FillOptions) => {
      const signal = shutdownSignal();
      const { shards } = options;
      const use = { canBegin: true, ...(shards === undefined ? {} : { shards }) };
      const filled = await openFilled(parseSource(text, options), use);
      if (filled === undefined) throw notFilled(text);
      await using source = filled;
      const image = await findImage(context, options, name);
      const bar = `to ${text}`;
      const moved = await withByteProgress(context.terminal, bar, (onProgress) =>
        fill(source, image, { signal, onProgress }),
      );
      const result = { schema: 'grid.flist.filled.1', digest: image.digest, ...moved };
      printResult(context, options, result, ({ chunks, movedBytes }) => {
        return `${text} has all of it: ${counted(chunks, 'chunk')}, ${formatBytes(movedBytes)}`;
      });
    });
}

interface Filling {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ByteProgress) => void;
}

interface Filled {
  readonly chunks: number;
  readonly movedBytes: number;
}

/** Each chunk is verified on its way: what is put there, others fetch. */
async function fill(
  source: FilledSource,
  { flist, chunks }: FoundImage,
  { signal, onProgress }: Filling,
): Promise<Filled> {
  const { chunkHashesOf, unpackChunk, walkTree } = await import('@commongrid/flist');
  const wanted = new Set(
    walkTree(flist.root).flatMap(({ inode }) =>
      inode.kind === 'file' ? chunkHashesOf(inode) : [],
    ),
  );
  const hashes = [...wanted];
  let movedBytes = 0;
  for (let at = 0; at < hashes.length; at += chunksAtOnce) {
    const part = hashes.slice(at, at + chunksAtOnce);
    const puts: Promise<void>[] = [];
    for await (const chunk of chunks.fetch(part, signal)) {
      if (!wanted.delete(chunk.hash)) continue;
      await unpackChunk(chunk.hash, chunk.packed);
      movedBytes += chunk.packed.length;
      const put = source.put({ ...chunk, packed: Buffer.from(chunk.packed) }, signal);
      // One that fails is thrown when all of the part are waited for.
      put.catch(() => {});
      puts.push(put);
    }
    await Promise.all(puts);
    onProgress({ doneBytes: movedBytes, totalBytes: undefined });
  }
  if (wanted.size === 0) return { chunks: hashes.length, movedBytes };
  throw new GridError<FlistErrorCode>(
    'FLIST_CHUNK_UNAVAILABLE',
    `${counted(wanted.size, 'chunk')} of it are missing here`,
    { hint: 'fetch it again: grid hub download' },
  );
}

/** The text itself, or another way to write a folder or a hub. */
function isCalled(source: ServiceSource, text: string): boolean {
  const name = sourceText(source);
  if (name === text || text.startsWith('zstor:')) return name === text;
  return name === sourceText(parseSource(text));
}

async function print(
  context: CommandContext,
  options: StoreOptions,
  store: ImageStore,
): Promise<void> {
  const [sources, status] = [await store.sources(), await store.sourceStatus()];
  const rows = sources.map((source, at) => ({
    ...{ source: sourceText(source), isOwnHub: 'isOwnHub' in source && source.isOwnHub },
    lastFailure: status?.[at]?.lastFailure ?? null,
    refusedChunks: status?.[at]?.refusedChunks ?? 0,
  }));
  const result = { schema: 'grid.flist.sources.1', isRunning: status !== undefined, sources: rows };
  printResult(context, options, result, () => describe(rows, status));
}

function describe(
  rows: readonly { readonly source: string; readonly isOwnHub: boolean }[],
  status: readonly SourceStatus[] | undefined,
): string {
  if (rows.length === 0) return 'there are none: only what is in the store can be read';
  return formatTable(
    rows.map(({ source, isOwnHub }, at) => [
      ...[source, isOwnHub ? 'hub of this grid' : ''],
      status?.[at]?.lastFailure ?? '',
    ]),
  );
}

function withSecrets(command: Command): Command {
  return command
    .option('--password-file <file>', 'of the namespace of a Zero-DB')
    .option('--backends <file>', 'the Zero-DBs of a Zero-Stor, a list in JSON')
    .option('--key-file <file>', 'the key of a Zero-Stor; default: `key` in its folder');
}

function notFilled(text: string): GridError<GridErrorCode> {
  return new GridError('GRID_FLIST_SOURCE', `${text} is filled in another way`, {
    hint: 'folders: grid flist import; hubs: grid hub upload',
    details: { source: text },
  });
}

function unknown(text: string): GridError<GridErrorCode> {
  return new GridError('GRID_FLIST_SOURCE', `${text} is no source of this store`, {
    hint: 'grid flist sources list',
    details: { source: text },
  });
}
