import { GridError, shutdownSignal } from '@commongrid/base';
import type { ChunkHash, Inode, PackedChunk, RegularFile } from '@commongrid/flist';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { findImage, flistArgument } from './find-image.ts';
import type { FoundImage } from './find-image.ts';
import { storeSubcommand } from './image-store.ts';
import type { StoreOptions } from './image-store.ts';

/** Chunks of a file that are asked for at a time. */
const chunksAtOnce = 8;

export function flistCatCommand(context: CommandContext): Command {
  return storeSubcommand('cat', 'Write the content of a file of an flist to stdout.')
    .argument('<flist>', flistArgument)
    .argument('<path>', 'the file; symlinks are followed')
    .action(async (name: string, path: string, options: StoreOptions) => {
      const found = await findImage(context, options, name);
      const file = await inodeAt(found, path);
      if (file.kind !== 'file') throw notSo(path, 'no file with content');
      await writeContent(found, file, shutdownSignal());
    });
}

export function flistDiffCommand(context: CommandContext): Command {
  return storeSubcommand('diff', 'Say what differs from one flist to another.')
    .argument('<before>', flistArgument)
    .argument('<after>', 'the other')
    .addHelpText('after', '\nExit status 0 when nothing differs, 1 when something does.')
    .action(async (before: string, after: string, options: StoreOptions) => {
      const { diffFlists, shownText } = await import('@commongrid/flist');
      const [one, other] = await Promise.all(
        [before, after].map((name) => findImage(context, options, name)),
      );
      if (one === undefined || other === undefined) throw new Error('two were looked for');
      const { configFields, changes } = diffFlists(one.flist, other.flist);
      const rows = [...changes].map((row) => ({
        change: row.change,
        path: `/${shownText(row.path)}`,
        ...(row.change === 'changed' ? { parts: row.parts } : {}),
      }));
      if (rows.length + configFields.length > 0) context.exitStatus = 1;
      const result = { schema: 'grid.flist.diff.1', configFields, changes: rows };
      printResult(context, options, result, () => describeDiff(configFields, rows));
    });
}

/** What has a path of an flist. @throws GRID_FLIST_PATH */
export async function inodeAt({ flist }: FoundImage, path: string): Promise<Inode> {
  const { byteTextFrom, findPath } = await import('@commongrid/flist');
  const inode = findPath(flist.root, byteTextFrom(path), { followLinks: true });
  if (inode === undefined) throw notSo(path, 'not there');
  return inode;
}

async function writeContent(
  { chunks: source }: FoundImage,
  file: RegularFile,
  signal: AbortSignal,
): Promise<void> {
  const { chunkHashesOf, unpackChunk } = await import('@commongrid/flist');
  const hashes = chunkHashesOf(file);
  for (let at = 0; at < hashes.length; at += chunksAtOnce) {
    const part = hashes.slice(at, at + chunksAtOnce);
    const chunks = new Map<ChunkHash, PackedChunk>();
    for await (const chunk of source.fetch(part, signal)) chunks.set(chunk.hash, chunk);
    for (const hash of part) {
      const chunk = chunks.get(hash);
      if (chunk === undefined) throw notSo(hash, 'a chunk that the repository does not have');
      const plaintext = await unpackChunk(hash, chunk.packed);
      if (!(await writeOut(plaintext))) return;
    }
  }
}

/** False when the reader left (`grid flist cat ... | head`), which is no failure. */
function writeOut(bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    process.stdout.write(bytes, (error) => resolve(error === null || error === undefined));
  });
}

function notSo(path: string, what: string): GridError<GridErrorCode> {
  return new GridError('GRID_FLIST_PATH', `${path} is ${what}`, {
    hint: 'grid flist ls FLIST',
    details: { path },
  });
}

interface DiffRow {
  readonly change: 'added' | 'removed' | 'changed';
  readonly path: string;
  readonly parts?: readonly string[];
}

function describeDiff(configFields: readonly string[], rows: readonly DiffRow[]): string {
  const signs = { added: '+', removed: '-', changed: '~' } as const;
  const lines = [
    ...configFields.map((field) => `~ ${field} of its config`),
    ...rows.map(({ change, path, parts = [] }) =>
      `${signs[change]} ${path} ${parts.length === 0 ? '' : `(${parts.join(', ')})`}`.trimEnd(),
    ),
  ];
  return lines.length === 0 ? 'nothing differs' : lines.join('\n');
}
