import { GridError, shutdownSignal, systemClock } from '@commongrid/base';
import type { Flist, FlistDigest, RepositoryReader } from '@commongrid/flist';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { GridHome } from '../../home.ts';
import { readKeyFile } from '../../key-file.ts';
import { counted, withProgress } from '../../terminal.ts';
import { findFlist, flistSubcommand, shortDigest } from './local-repository.ts';
import type { FlistOptions } from './local-repository.ts';
import { withRepository } from './made-flist.ts';

type SignOptions = FlistOptions & { readonly keyFile?: string };

export function flistSignCommand(context: CommandContext): Command {
  return flistSubcommand('sign', 'Sign an flist: say that it is yours.')
    .argument('<flist>', 'its digest, or the beginning of it')
    .option('--key-file <file>', 'the key; default: that of the owner of the grid')
    .action(async (name: string, options: SignOptions) => {
      const { signFlist } = await import('@commongrid/flist');
      const { digest } = await findFlist(context, options, name);
      const home = new GridHome(context.environment.home);
      const key = await readKeyFile(options.keyFile ?? home.ownerKeyFile);
      const signature = signFlist(key, digest, systemClock.nowMs());
      await withRepository(context, options, (repository) =>
        repository.putSignature(digest, signature.key, JSON.stringify(signature)),
      );
      printResult(context, options, signature, () => {
        return `${shortDigest(digest)} is signed by ${signature.key}`;
      });
    });
}

interface Verified {
  readonly chunks: number;
  readonly missing: number;
  readonly bad: number;
  readonly signers: readonly string[];
  readonly badSignatures: number;
}

export function flistVerifyCommand(context: CommandContext): Command {
  return flistSubcommand('verify', 'Check an flist, all of its chunks, and who signed it.')
    .argument('<flist>', 'its digest, the beginning of it, or a file')
    .addHelpText(
      'after',
      '\nExit status 0 when all is right, 1 when a chunk is missing or bad or a signature is false.' +
        '\nWhether to trust a signer is for you to say.',
    )
    .action(async (name: string, options: FlistOptions) => {
      const { digest, flist, reader } = await findFlist(context, options, name);
      const verifying = verify(digest, flist, reader, shutdownSignal());
      const found = await withProgress(context.terminal, 'verifying', verifying);
      if (found.missing + found.bad + found.badSignatures > 0) context.exitStatus = 1;
      const result = { schema: 'grid.flist.verify.1', digest, ...found };
      printResult(context, options, result, () => describeVerified(digest, found));
    });
}

async function verify(
  digest: FlistDigest,
  flist: Flist,
  reader: RepositoryReader,
  signal: AbortSignal,
): Promise<Verified> {
  const { batchHashesMax, chunkHashesOf, unpackChunk, walkTree } =
    await import('@commongrid/flist');
  const wanted = new Set(
    walkTree(flist.root).flatMap(({ inode }) =>
      inode.kind === 'file' ? chunkHashesOf(inode) : [],
    ),
  );
  const hashes = [...wanted];
  let [there, bad] = [0, 0];
  for (let at = 0; at < hashes.length; at += batchHashesMax) {
    for await (const { hash, packed } of reader.fetch(
      hashes.slice(at, at + batchHashesMax),
      signal,
    )) {
      there++;
      const isSound = await unpackChunk(hash, packed).then(() => true, isOnlyCorrupt);
      if (!isSound) bad++;
    }
  }
  const signatures = await signersOf(digest, reader);
  return { chunks: hashes.length, missing: hashes.length - there, bad, ...signatures };
}

function isOnlyCorrupt(error: unknown): false {
  if (error instanceof GridError && error.code === 'FLIST_CHUNK_CORRUPT') return false;
  throw error;
}

async function signersOf(
  digest: FlistDigest,
  reader: RepositoryReader,
): Promise<Pick<Verified, 'signers' | 'badSignatures'>> {
  const { verifyFlistSignature } = await import('@commongrid/flist');
  const signers: string[] = [];
  let badSignatures = 0;
  for (const text of await reader.listSignatures(digest)) {
    try {
      signers.push(verifyFlistSignature(JSON.parse(text), digest).text);
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof GridError)) throw error;
      badSignatures++;
    }
  }
  return { signers, badSignatures };
}

function describeVerified(digest: FlistDigest, found: Verified): string {
  const { chunks, missing, bad, signers, badSignatures } = found;
  return [
    missing + bad === 0
      ? `${digest} is whole: ${counted(chunks, 'chunk')} are as they should be`
      : `${digest}: of ${counted(chunks, 'chunk')} ${missing} are missing and ${bad} damaged`,
    ...signers.map((key) => `signed by ${key}`),
    ...(signers.length === 0 ? ['signed by nobody'] : []),
    ...(badSignatures === 0 ? [] : [`${badSignatures} signatures are false`]),
  ].join('\n');
}
