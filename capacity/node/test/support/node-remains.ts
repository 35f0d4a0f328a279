import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { runProgram } from '@commongrid/base';

import { runFolderOf } from '../../src/container/container-runtime.ts';
import type { NodePlan } from './node-town.ts';

/**
 * All that a node has in the kernel and in its folders, a line each, names of workloads and addresses
 * left out: a node has the same lines whenever it does the same.
 */
export async function remainsOf(plan: NodePlan): Promise<readonly string[]> {
  const found = await Promise.all([
    mountLines(plan),
    networkLines(plan.prefix),
    cgroupLines(plan.prefix),
    processLines(plan),
    loopLines(plan.folder),
    folderLines(plan),
  ]);
  return found.flat().map(withoutNames).toSorted();
}

async function mountLines({ folder, prefix }: NodePlan): Promise<readonly string[]> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const targets = mounts.split('\n').map((line) => line.split(' ')[1] ?? '');
  const isOurs = (target: string): boolean =>
    target.startsWith(`${folder}/`) || target.startsWith(`/run/commongrid-${prefix}`);
  return targets.filter(isOurs).map((target) => `mount ${target}`);
}

async function networkLines(prefix: string): Promise<readonly string[]> {
  const spaces = await readdir('/run/netns').catch(() => []);
  const links = await readdir('/sys/class/net');
  const table = `${prefix}_network`;
  const tables = await runProgram('nft', ['list', 'tables', 'inet']);
  const rules = tables.split('\n').includes(`table inet ${table}`)
    ? await runProgram('nft', ['list', 'table', 'inet', table])
    : '';
  const elements = rules.match(/elements = \{[^}]*\}/gs) ?? [];
  const isOurs = (name: string): boolean => new RegExp(`^${prefix}[0-9a-f]{12}`).test(name);
  return [
    ...spaces.filter(isOurs).map((name) => `netns ${name.slice(prefix.length)}`),
    ...links.filter(isOurs).map((name) => `link ${name.slice(prefix.length)}`),
    ...elements.map((text) => `nft ${text.split(',').length} ${/"/.test(text) ? 'links' : ''}`),
  ];
}

async function cgroupLines(prefix: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const controller of await readdir('/sys/fs/cgroup')) {
    const path = `/sys/fs/cgroup/${controller}/${prefix}.containers`;
    for (const name of await readdir(path).catch(() => [])) {
      if (/^[0-9a-f]{12}$/.test(name)) lines.push(`cgroup ${path}/${name}`);
    }
  }
  return lines;
}

/** conmon, runc, the image service: all name a folder of the node. */
async function processLines({ folder, prefix }: NodePlan): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const isOurs = words.includes(`${folder}/machine`) || words.includes(runFolderOf(prefix));
    if (isOurs) lines.push(`process ${words.split('\0').slice(0, 2).join(' ')}`);
  }
  return lines;
}

async function loopLines(folder: string): Promise<readonly string[]> {
  const printed = await runProgram('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE']);
  return printed.split('\n').filter((line) => line.includes(folder));
}

async function folderLines({ folder, prefix }: NodePlan): Promise<readonly string[]> {
  const machine = join(folder, 'machine');
  const folders = [
    ...['bundles', 'bundles/exits', 'containers', 'volumes', 'volumes/pool', 'images/mounts'],
  ].map((name) => join(machine, name));
  const all = [...folders, join(runFolderOf(prefix), 'runc'), `/run/commongrid-${prefix}.roots`];
  const lists = all.map(async (path) => {
    const names = await readdir(path).catch(() => []);
    return names.map((name) => `file ${join(path, name)}`);
  });
  return (await Promise.all(lists)).flat();
}

function withoutNames(line: string): string {
  return line.replaceAll(/[0-9a-f]{12}/g, 'KEY').replaceAll(/\d+(\.\d+){3}/g, 'ADDRESS');
}
