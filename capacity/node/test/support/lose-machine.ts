import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, runProgram, waitFor } from '@commongrid/base';

import { runFolderOf } from '../../src/container/container-runtime.ts';
import type { NodePlan } from './node-town.ts';

/**
 * What is left of a node when its machine loses power: its disk, and nothing in the kernel or in /run.
 * All that runs of it is killed at once, the agent must have been before.
 */
export async function loseMachine(plan: NodePlan): Promise<void> {
  const { folder, prefix } = plan;
  await killAll(plan);
  await unmountAll(plan);
  const spaces = await readdir('/run/netns').catch(() => []);
  for (const name of spaces.filter((one) => one.startsWith(prefix))) {
    await runProgram('ip', ['netns', 'delete', name]);
  }
  const links = (await readdir('/sys/class/net')).filter((name) => name.startsWith(prefix));
  for (const name of links) await runProgram('ip', ['link', 'delete', name]).catch(() => '');
  // It may be gone already.
  const table = `table inet ${prefix}_network`;
  await runProgram('nft', [`add ${table}; delete ${table}`]);
  const { range } = JSON.parse(await readFile(join(folder, 'machine/network.json'), 'utf8'));
  await runProgram('ip', ['route', 'flush', 'type', 'unreachable', 'exact', String(range)]);
  for (const controller of await readdir('/sys/fs/cgroup')) {
    await removeCgroups(join('/sys/fs/cgroup', controller, `${prefix}.containers`));
  }
  for (const path of [runFolderOf(prefix), `/run/commongrid-${prefix}.roots`]) {
    await rm(path, { recursive: true, force: true });
  }
  for (const device of await loopsOf(folder)) await runProgram('losetup', ['--detach', device]);
}

/** Processes of containers, and whatever names a folder of the node. */
async function killAll(plan: NodePlan): Promise<void> {
  const areGone = async (): Promise<boolean> => {
    const pids = await processesOf(plan);
    for (const pid of pids) kill(pid);
    return pids.length === 0;
  };
  await waitFor(areGone, { timeoutMs: 60_000, everyMs: 20, what: 'all processes to be gone' });
}

async function processesOf({ folder, prefix }: NodePlan): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const words = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    const groups = await readFile(`/proc/${name}/cgroup`, 'utf8').catch(() => '');
    const isOurs =
      words.includes(`${folder}/machine`) ||
      words.includes(runFolderOf(prefix)) ||
      groups.includes(`/${prefix}.containers/`);
    if (isOurs) found.push(Number(name));
  }
  return found;
}

async function unmountAll({ folder, prefix }: NodePlan): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const targets = mounts.split('\n').map((line) => line.split(' ')[1] ?? '');
  const isOurs = (target: string): boolean =>
    target.startsWith(`${folder}/`) || target.startsWith(`/run/commongrid-${prefix}`);
  // What was mounted last goes first; of a FUSE whose server is dead only this gets rid.
  for (const target of targets.filter(isOurs).toReversed()) {
    await runProgram('umount', ['--lazy', target]);
  }
}

async function removeCgroups(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isDirectory()) await removeCgroups(join(path, entry.name));
  }
  try {
    await rmdir(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

async function loopsOf(folder: string): Promise<readonly string[]> {
  const words = ['--list', '--noheadings', '--output', 'NAME,BACK-FILE'];
  const lines = (await runProgram('losetup', words)).split('\n');
  return lines.filter((line) => line.includes(folder)).map((line) => line.split(' ')[0] ?? '');
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
