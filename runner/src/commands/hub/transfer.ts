import { formatBytes, shutdownSignal } from '@commongrid/base';
import type { HubClient, TransferProgress } from '@commongrid/flist';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted } from '../../terminal.ts';
import { findFlist, shortDigest } from '../flist/local-repository.ts';
import { withRepository } from '../flist/made-flist.ts';
import { withByteProgress } from '../../byte-progress.ts';
import { hubSubcommand, readingClient, signingClient } from './hub-client.ts';
import type { HubOptions } from './hub-client.ts';

export function hubUploadCommand(context: CommandContext): Command {
  return hubSubcommand('upload', 'Bring an flist to a hub: only chunks that it lacks.')
    .argument('<flist>', 'its digest, or the beginning of it')
    .argument('[name]', 'USER/NAME or USER/NAME:TAG that it gets there')
    .option('--sign', 'and sign it there')
    .action(async (found: string, name: string | undefined, options: UploadOptions) => {
      const signal = shutdownSignal();
      const { client, url } = await signingClient(context, options);
      const { digest, reader } = await findFlist(context, options, found);
      const moved = await withTransfer(context, `to ${url}`, (onProgress) =>
        client.upload(digest, reader, { onProgress, signal }),
      );
      if (options.sign === true) await client.sign(digest, { signal });
      if (name !== undefined) await client.name(name, digest, { signal });
      const result = { schema: 'grid.hub.upload.1', name: name ?? null, ...moved };
      printResult(context, options, result, () => {
        const what = `${shortDigest(digest)} is at ${url}`;
        return `${name === undefined ? what : `${what} as ${name}`}: ${movedText(moved)}`;
      });
    });
}

export function hubDownloadCommand(context: CommandContext): Command {
  return hubSubcommand('download', 'Bring an flist from a hub: only chunks that are not here.')
    .argument('<name>', 'USER/NAME, USER/NAME:TAG, or a digest')
    .action(async (name: string, options: HubOptions) => {
      const signal = shutdownSignal();
      const { client, url } = await readingClient(context, options);
      const digest = await digestOf(client, name);
      const moved = await withRepository(context, options, (repository) =>
        withTransfer(context, `from ${url}`, (onProgress) =>
          client.download(digest, repository, { onProgress, signal }),
        ),
      );
      const result = { schema: 'grid.hub.download.1', ...moved };
      printResult(context, options, result, () => `${digest}\n  ${movedText(moved)}`);
    });
}

type UploadOptions = HubOptions & { readonly sign?: true };

/** What a name leads to, or the digest itself. */
export async function digestOf(
  client: HubClient,
  name: string,
): Promise<Awaited<ReturnType<HubClient['resolve']>>['digest']> {
  const { parseFlistDigest } = await import('@commongrid/flist');
  return parseFlistDigest(name) ?? (await client.resolve(name)).digest;
}

function withTransfer<T>(
  context: CommandContext,
  text: string,
  work: (onProgress: (progress: TransferProgress) => void) => Promise<T>,
): Promise<T> {
  return withByteProgress(context.terminal, text, (onProgress) =>
    work(({ movedBytes, doneChunks, totalChunks }) => {
      const part = doneChunks / Math.max(1, totalChunks);
      onProgress({ doneBytes: movedBytes, totalBytes: undefined, part });
    }),
  );
}

function movedText({ totalChunks, movedBytes }: TransferProgress): string {
  return `${counted(totalChunks, 'chunk')}, ${formatBytes(movedBytes)} over the wire`;
}
