import path from 'node:path';
import { type Files, syncFolder } from '@commongrid/files';

/** Files that make up a store. */
const STORE_FILE = /^(manifest|segment-\d+\.(log|index)|checkpoint-\d+)(\.new)?$/;

/** A prefix under which nothing is put aside yet. */
export function freePrefix(files: Files, folder: string, term: number): string {
  const names = files.readdirSync(folder);
  for (let i = 1; ; i++) {
    const prefix = `diverged-${term}-${i}-`;
    if (!names.some((name) => name.startsWith(prefix))) return prefix;
  }
}

/**
 * Renames all files of a store: the folder is empty then, and nothing is lost. Interrupted, it is done
 * again with the same prefix, before anybody opens the folder.
 */
export function setAside(files: Files, folder: string, prefix: string): number {
  const names = files.readdirSync(folder).filter((name) => STORE_FILE.test(name));
  for (const name of names) {
    files.renameSync(path.join(folder, name), path.join(folder, prefix + name));
  }
  syncFolder(files, folder);
  return names.length;
}
