import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, makeFolderDurably, syncFolder, writeFileAtomic } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';

import { GridHome } from '../home.ts';

/** Says whose credentials a folder has. */
const contractFile = 'contract';

export interface CredentialsOf {
  /** GRID_HOME. */
  readonly home: string;
  /** Of the contract. */
  readonly name: string;
  readonly contract: ContractId;
}

/**
 * Keeps what opens a solution, a file each, in a folder of GRID_HOME/deployed that nobody else reads. The folder is named as
 * the contract is, with a number where that name is taken.
 * @returns paths of the files by what they have
 */
export async function keepCredentials(
  { home, name, contract }: CredentialsOf,
  credentials: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<string, string>> {
  const all = Object.entries(credentials);
  if (all.length === 0) return new Map();
  const folder = await newFolder(new GridHome(home).deployed, name);
  await writeFileAtomic(join(folder, contractFile), `${contract}\n`, { mode: 0o600 });
  const kept = all.map(async ([file, value]) => {
    const path = join(folder, file);
    await writeFileAtomic(path, value, { mode: 0o600 });
    return [file, path] as const;
  });
  return new Map(await Promise.all(kept));
}

/** Takes away what opened a contract that ended. */
export async function dropCredentials(home: string, contract: ContractId): Promise<void> {
  const all = new GridHome(home).deployed;
  const names = await readdir(all).catch(noneIfAbsent);
  for (const name of names ?? []) {
    const said = await readFile(join(all, name, contractFile), 'utf8').catch(noneIfAbsent);
    if (said?.trim() === contract) await rm(join(all, name), { recursive: true, force: true });
  }
}

async function newFolder(all: string, name: string): Promise<string> {
  await makeFolderDurably(all);
  for (let number = 1; ; number++) {
    const folder = join(all, number === 1 ? name : `${name}-${number}`);
    try {
      await mkdir(folder, { mode: 0o700 });
      await syncFolder(all);
      return folder;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
}

function noneIfAbsent(error: unknown): undefined {
  const code = errorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw error;
}
