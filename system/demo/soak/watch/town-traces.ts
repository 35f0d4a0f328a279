import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { errorCode, readMounts } from '@commongrid/base';

import { ipJson } from '../../../machines/ip.ts';
import { programsIn } from '../../../machines/machine-processes.ts';
import type { DemoNode } from '../../demo-node.ts';

/** By what a town is found on this machine, once it is gone. */
export interface TownMarks {
  /** Of all that it has on disk. */
  readonly folder: string;
  /** Of its nodes, in the names of what they have in the kernel. */
  readonly prefixes: readonly string[];
  /** Names of the network namespaces of its machines. */
  readonly namespaces: readonly string[];
}

/** To be asked while the town is there. @param folder of the demo */
export function marksOf(
  nodes: readonly Pick<DemoNode, 'prefix' | 'netns'>[],
  folder: string,
): TownMarks {
  return {
    folder,
    prefixes: nodes.map(({ prefix }) => prefix),
    namespaces: nodes.map(({ netns }) => basename(netns)),
  };
}

/**
 * What of a town that was taken off this machine is there yet: processes, mounts, disks, namespaces, cgroups, links, and
 * folders of nodes in /run. To be asked at once: another town may have its numbers soon.
 * @returns one line for each
 */
export async function tracesOfTown({
  folder,
  prefixes,
  namespaces,
}: TownMarks): Promise<readonly string[]> {
  const isOwn = (path: string): boolean => {
    const name = basename(path);
    return prefixes.some((one) => isOf(name, one)) || namespaces.includes(name);
  };
  const root = '/sys/fs/cgroup';
  const trees = [root, ...(await entriesOf(root))];
  const places = await Promise.all(['/run/netns', '/run', ...trees].map(entriesOf));
  const mounts = (await readMounts()).map(({ target }) => target);
  const links = (ipJson('link', 'show') as readonly { readonly ifname: string }[])
    .map(({ ifname }) => ifname)
    .filter((name) => isOwn(name) || namespaces.some((one) => isCableOf(name, one)));
  const programs = await programsIn(folder);
  return [
    ...programs.map(({ pid, words }) => `process ${pid} ${words.join(' ')}`),
    ...mounts.filter((one) => one.startsWith(join(folder, '/')) || isOwn(one)),
    ...places.flat().filter(isOwn),
    ...links.map((name) => `link ${name}`),
    ...(await disksIn(folder)),
  ];
}

/** `p00`, `p00.containers`, `p00feedc0ffee42`, `commongrid-p00.roots`: the first of a prefix, and no other one's. */
function isOf(name: string, prefix: string): boolean {
  const rest = name.replace(/^commongrid-/, '');
  return new RegExp(`^${prefix}(?:[0-9a-f]{12}|[._].*)?$`).test(rest);
}

/** The cable of a machine, and the switch: `gd0c3` and `gd0` of `gd0-3`. */
function isCableOf(link: string, namespace: string): boolean {
  const [net = '', at = ''] = namespace.split('-');
  return link === net || link === `${net}c${at}`;
}

/** Loops whose files are in a folder. */
async function disksIn(folder: string): Promise<readonly string[]> {
  const loops = (await entriesOf('/sys/block')).filter((path) => basename(path).startsWith('loop'));
  const files = await Promise.all(
    loops.map(async (path) => {
      const file = await readFile(join(path, 'loop/backing_file'), 'utf8').catch(ignoreAbsent);
      const isOwn = file?.startsWith(join(folder, '/')) === true;
      return isOwn ? [`disk ${basename(path)} of ${dirname(file ?? '')}`] : [];
    }),
  );
  return files.flat();
}

/** Paths of what is in a folder; nothing where there is none. */
export async function entriesOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(ignoreAbsent);
  return (names ?? []).map((name) => join(folder, name));
}

/** @throws unless it says that something is not there */
function ignoreAbsent(error: unknown): undefined {
  if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
  throw error;
}
