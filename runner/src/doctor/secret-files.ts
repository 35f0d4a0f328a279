import { existsSync } from 'node:fs';
import { chmod, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

import { errorCode } from '@commongrid/base';

import type { GridHome } from '../home.ts';
import { fine } from './diagnosis.ts';
import type { Diagnosis } from './diagnosis.ts';

/** Files whose content opens something. */
export async function secretFiles(home: GridHome): Promise<readonly string[]> {
  const bots = (await namesIn(home.bots)).map((name) => join(home.bots, name));
  const zdb = join(home.node, 'machine', 'zdb');
  const folders = await Promise.all([
    filesBelow(home.identity),
    filesBelow(home.deployed),
    ...bots.flatMap((bot) => [
      filesBelow(join(bot, 'contracts')),
      storeSecretsOf(bot),
      ownFilesOf(bot),
    ]),
    ownFilesOf(home.node),
    filesBelow(join(zdb, 'tls')),
    ownFilesOf(zdb),
  ]);
  return folders.flat();
}

/** Whether nobody but their owner may read the secrets. */
export async function examineSecrets(home: GridHome): Promise<Diagnosis> {
  const name = 'key files';
  const files = (await secretFiles(home)).filter((file) => !isPublic(file));
  const top = await ifThere(realpath(home.path), home.path);
  const open = await Promise.all(
    files.map(async (file) => ((await isOpen(file, top)) ? [file] : [])),
  );
  const wrong = open.flat();
  const [first = ''] = wrong;
  if (wrong.length === 0) return fine(name, `${files.length}, for their owner alone`);
  return {
    name,
    level: 'fail',
    says: `${wrong.length} of ${files.length} may be read by others, such as ${first}`,
    next: './grid doctor --fix, and think of who may have read them',
    repair: () => Promise.all(wrong.map(closeToOthers)),
  };
}

/** Certificates are there to be shown. */
function isPublic(file: string): boolean {
  return file.endsWith('cert.pem');
}

/** What opens stores: beside it are the tables of a head, which may be large. */
async function storeSecretsOf(bot: string): Promise<readonly string[]> {
  const stores = (await namesIn(join(bot, 'stores'))).map((id) => join(bot, 'stores', id));
  const passwords = await Promise.all(stores.map((store) => filesBelow(join(store, 'passwords'))));
  const keys = stores.map((store) => join(store, 'data', 'key'));
  return [...passwords.flat(), ...keys.filter((key) => existsSync(key))];
}

/** Words, keys, tokens and passwords in a folder that holds more than those. */
async function ownFilesOf(folder: string): Promise<readonly string[]> {
  const names = await namesIn(folder);
  const secret = names.filter((name) => /(?:^words|key|token|password)$/.test(name));
  return secret.map((name) => join(folder, name));
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await ifThere(readdir(folder, { recursive: true, withFileTypes: true }), []);
  const files = entries.filter((entry) => entry.isFile() && entry.name !== 'LOCK');
  return files.map(({ parentPath, name }) => join(parentPath, name));
}

function namesIn(folder: string): Promise<readonly string[]> {
  return ifThere(readdir(folder), []);
}

/** Not where a folder on the way to it, from that of the grid on, lets nobody else in. */
async function isOpen(file: string, top: string): Promise<boolean> {
  const modeOf = async (path: string): Promise<number> =>
    (await ifThere(stat(path), undefined))?.mode ?? 0;
  if (((await modeOf(file)) & othersBits) === 0) return false;
  let folder = dirname(await ifThere(realpath(file), file));
  while (folder === top || folder.startsWith(`${top}${sep}`)) {
    if (((await modeOf(folder)) & enterBits) === 0) return false;
    folder = dirname(folder);
  }
  return true;
}

async function closeToOthers(file: string): Promise<void> {
  await chmod(file, (await stat(file)).mode & 0o700);
}

/** All rights of group and others. */
const othersBits = 0o077;
/** Their right to enter a folder. */
const enterBits = 0o011;

/** What runs beside removes files of its own. */
async function ifThere<T, U>(reading: Promise<T>, absent: U): Promise<T | U> {
  try {
    return await reading;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return absent;
    throw error;
  }
}
