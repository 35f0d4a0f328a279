import { formatBytes, isGridError, shutdownSignal } from '@commongrid/base';
import type {
  FlistDigest,
  FlistSignature,
  RepositoryReader,
  TransferProgress,
} from '@commongrid/flist';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted } from '../../terminal.ts';
import { findFlist, shortDigest } from '../flist/local-repository.ts';
import { withRepository } from '../flist/made-flist.ts';
import { withByteProgress } from '../../byte-progress.ts';
import {
  digestOf,
  hubSubcommand,
  imageArgument,
  readingClient,
  signingClient,
} from './hub-client.ts';
import type { HubOptions } from './hub-client.ts';

export function hubUploadCommand(context: CommandContext): Command {
  return hubSubcommand(
    'upload',
    'Bring an flist to a hub: chunks that it lacks, and your signature.',
  )
    .argument('<flist>', 'its digest, or the beginning of it')
    .argument('[name]', 'USER/NAME or USER/NAME:TAG that it gets there')
    .option('--sign', 'and sign it')
    .action(async (found: string, name: string | undefined, options: UploadOptions) => {
      const signal = shutdownSignal();
      const { client, url, key } = await signingClient(context, options);
      const { digest, reader } = await findFlist(context, options, found);
      const moved = await withTransfer(context, `to ${url}`, (onProgress) =>
        client.upload(digest, reader, { onProgress, signal }),
      );
      for (const signature of await ownSignatures(reader, digest, key)) {
        await client.leaveSignature(signature, { signal });
      }
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
  return hubSubcommand(
    'download',
    'Bring an flist from a hub: chunks that are not here, and its signatures.',
  )
    .argument('<name>', imageArgument)
    .action(async (name: string, options: HubOptions) => {
      const signal = shutdownSignal();
      const { client, url } = await readingClient(context, options);
      const digest = await digestOf(client, name);
      const moved = await withRepository(context, options, (repository) =>
        withTransfer(context, `from ${url}`, async (onProgress) => {
          const done = await client.download(digest, repository, { onProgress, signal });
          for (const signature of await client.signatures(digest, { signal })) {
            await repository.putSignature(digest, signature.key, JSON.stringify(signature));
          }
          return done;
        }),
      );
      const result = { schema: 'grid.hub.download.1', ...moved };
      printResult(context, options, result, () => `${digest}\n  ${movedText(moved)}`);
    });
}

/** The hub takes signatures of an image only from those who made them. */
async function ownSignatures(
  reader: RepositoryReader,
  digest: FlistDigest,
  key: string,
): Promise<FlistSignature[]> {
  const { verifyFlistSignature } = await import('@commongrid/flist');
  const texts = await reader.listSignatures(digest);
  return texts.flatMap((text) => {
    try {
      const json: unknown = JSON.parse(text);
      return verifyFlistSignature(json, digest).text === key ? [json as FlistSignature] : [];
    } catch (error) {
      // `grid flist verify` counts those that are false.
      if (error instanceof SyntaxError || isGridError(error, 'FLIST_SIGNATURE_INVALID')) return [];
      throw error;
    }
  });
}

type UploadOptions = HubOptions & { readonly sign?: true };

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
