import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@commongrid/base';
import { isReleaseName, releasesFolder } from './release-choice.ts';

/**
 * Removes releases from the folder of a node, but those named and those that a process still runs
 * from: the image service and Zero-DBs outlive the agent that started them.
 * @param kept names of releases
 * @returns names of those that went
 */
export async function removeOldReleases(
  folder: string,
  kept: ReadonlySet<string>,
): Promise<readonly string[]> {
  const all = releasesFolder(folder);
  const names = await readdir(all).catch(noneIfAbsent);
  const old = names.filter((name) => isReleaseName(name) && !kept.has(name));
  if (old.length === 0) return [];
  const used = await pathsInUse(`${all}/`);
  const removed = old.filter((name) => !used.some((path) => path.startsWith(`${all}/${name}/`)));
  for (const name of removed) await rm(join(all, name), { recursive: true, force: true });
  return removed;
}

/** Programs, and words of commands, of living processes that begin so. */
async function pathsInUse(prefix: string): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const program = await readlink(`/proc/${pid}/exe`).catch(emptyIfGone);
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(emptyIfGone)).split('\0');
    paths.push(...[program, ...words].filter((path) => path.startsWith(prefix)));
  }
  return paths;
}

function noneIfAbsent(error: unknown): readonly string[] {
  if (errorCode(error) === 'ENOENT') return [];
  throw error;
}

/**
 * It ended meanwhile, is a thread of the kernel, which has no program, or is hidden even from root,
 * which what a node started is not.
 */
function emptyIfGone(error: unknown): string {
  if (unseen.has(errorCode(error) ?? '')) return '';
  throw error;
}

const unseen: ReadonlySet<string> = new Set(['EACCES', 'ENOENT', 'EPERM', 'ESRCH']);
