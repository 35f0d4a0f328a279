import { formatBytes } from '@commongrid/base';
import type { Flist, FlistDigest, FlistRepository, MakeReport } from '@commongrid/flist';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted } from '../../terminal.ts';
import type { FoundImage } from './find-image.ts';
import type { FlistOptions } from './local-repository.ts';
import { repositoryFolder } from './local-repository.ts';

/** What a command made of a source, and what of it the image does not have. */
interface Made {
  readonly flist: Flist;
  readonly report: MakeReport;
}

/** Notes that people are shown. */
const notesShown = 10;

/** Opens the repository for writing, and closes it. @throws BASE_FOLDER_LOCKED */
export async function withRepository<T>(
  context: CommandContext,
  options: FlistOptions,
  work: (repository: FlistRepository) => Promise<T>,
): Promise<T> {
  const { FlistRepository: Repository } = await import('@commongrid/flist');
  await using repository = await Repository.open({ folder: repositoryFolder(context, options) });
  return await work(repository);
}

/** Keeps an flist whose chunks are in the repository. */
export async function keepFlist(repository: FlistRepository, flist: Flist): Promise<FlistDigest> {
  const { encodeFlist, packFlist } = await import('@commongrid/flist');
  return repository.putFlist(await packFlist(encodeFlist(flist)));
}

/** Brings the content of an image that the repository lacks. */
export async function bringContent(
  { flist, chunks }: Pick<FoundImage, 'flist' | 'chunks'>,
  repository: FlistRepository,
  signal: AbortSignal,
): Promise<void> {
  const { batchHashesMax, chunkHashesOf, walkTree } = await import('@commongrid/flist');
  const wanted = new Set(
    walkTree(flist.root).flatMap(({ inode }) =>
      inode.kind === 'file' ? chunkHashesOf(inode) : [],
    ),
  );
  const missing = [...wanted.difference(await repository.hasChunks(wanted))];
  for (let at = 0; at < missing.length; at += batchHashesMax) {
    const batch = missing.slice(at, at + batchHashesMax);
    for await (const chunk of chunks.fetch(batch, signal)) await repository.putPacked(chunk);
  }
}

/** Prints what was made: its digest for programs and people, and what was left out. */
export function printMade(
  context: CommandContext,
  options: FlistOptions,
  digest: FlistDigest,
  { report }: Made,
): void {
  const { notes, furtherNotes, contentBytes, chunks } = report;
  for (const note of notes.slice(0, notesShown)) context.terminal.note(noteLine(note));
  const more = notes.length - Math.min(notes.length, notesShown) + furtherNotes;
  if (more > 0) context.terminal.note(`and ${more} more`);
  const result = { schema: 'grid.flist.made.1', digest, contentBytes, chunks, notes, furtherNotes };
  printResult(context, options, result, () =>
    [digest, `  ${formatBytes(contentBytes)} in ${counted(chunks, 'chunk')}`].join('\n'),
  );
}

function noteLine({ what, path, name = '' }: MakeReport['notes'][number]): string {
  return what === 'socket-left-out'
    ? `left out: ${path} is a socket`
    : `left out: ${name} of ${path}`;
}
