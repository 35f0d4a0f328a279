import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { writeFileAtomic } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import { seenHeadPath } from '@commongrid/threebot';
import type { OpenedBackup } from '@commongrid/threebot';

type Files = OpenedBackup['files'];

/** Made anew for this machine, or about the one that is gone; and what is not of the folder. */
const notRestored: ReadonlySet<string> = new Set([
  ...['bot.json', 'owner-token', 'words'],
  seenHeadPath,
]);

/** Keys that the bot acted with, or was about to. */
const keyFiles: readonly string[] = ['device-key', 'next-key'];

/** Public halves of the keys that a backup has: they are on the machine that is lost, too. */
export function lostKeys(files: Files): readonly string[] {
  return files.flatMap(({ path, bytes }) =>
    keyFiles.includes(path) ? [keyOf(bytes).publicKey.text] : [],
  );
}

/**
 * Puts the files of a backup into the folder of a bot that is not there yet. Its former keys only open
 * messages from now on. Once more, it gives the same.
 */
export async function restoreFiles(folder: string, files: Files): Promise<number> {
  const formers = files.filter(({ path }) => /^former-\d+-key$/.test(path)).length;
  const kept = files.filter(({ path }) => !notRestored.has(path));
  let nextFormer = formers;
  for (const { path, bytes } of kept) {
    const target = keyFiles.includes(path) ? `former-${++nextFormer}-key` : path;
    const file = join(folder, target);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFileAtomic(file, bytes, { mode: 0o600 });
  }
  return kept.length;
}

function keyOf(bytes: Uint8Array): SigningKey {
  return SigningKey.fromSeed(Buffer.from(Buffer.from(bytes).toString('utf8').trim(), 'base64url'));
}
