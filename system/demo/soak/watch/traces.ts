import { join } from 'node:path';

import { isGridError, readMounts, runProgram } from '@commongrid/base';

import { programsIn, runsZeroDb } from '../../../machines/machine-processes.ts';
import { namespacesOf } from '../../archive/removal-step.ts';
import type { DemoNode } from '../../demo-node.ts';
import { entriesOf } from './town-traces.ts';

/** Where a machine has what it runs. */
export type TracedMachine = Pick<DemoNode, 'folder' | 'prefix' | 'netns' | 'name'>;

/** For a program that lists what the kernel has, ms. */
const listTimeoutMs = 30_000;

/** Folders of a machine with an entry for each workload, below its own. */
const folders = ['machine/bundles', 'machine/containers', 'machine/volumes/pool'] as const;

/**
 * What a machine has of workloads, wherever it may have something: cgroups, network namespaces, links, rules, mounts,
 * processes, files and volumes. All of it has the short id of its workload in its name.
 * @param keys short ids
 * @returns one line for each thing, `be-1: cgroup /sys/fs/cgroup/pids/p00.containers/0123456789ab`
 */
export async function tracesOn(
  machine: TracedMachine,
  keys: ReadonlySet<string>,
): Promise<readonly string[]> {
  const { prefix, folder, netns, name } = machine;
  const isOne = (text: string): boolean => keys.values().some((key) => text.includes(key));
  const [cgroups, namespaces, links, rules, mounts, programs, files] = await Promise.all([
    cgroupsOf(prefix),
    entriesOf('/run/netns'),
    linesInside(netns, ['ip', '-o', 'link']),
    linesInside(netns, ['nft', 'list', 'ruleset']),
    readMounts(),
    programsIn(folder),
    Promise.all(folders.map((part) => entriesOf(join(folder, part)))),
  ]);
  const targets = mounts.map(({ target }) => target);
  const found = [
    ...cgroups.filter(isOne).map((path) => `cgroup ${path}`),
    ...namespaces.filter((path) => path.includes(prefix)).filter(isOne),
    ...links.filter(isOne).map((line) => `link ${line.split(':')[1]?.trim()}`),
    ...rules.filter(isOne).map((line) => `rule ${line.trim()}`),
    ...targets.filter((one) => isOne(one) && (one.includes(prefix) || one.startsWith(folder))),
    ...programs.map(({ pid, words }) => `process ${pid} ${words.join(' ')}`).filter(isOne),
    ...files.flat().filter(isOne),
  ];
  return found.map((one) => `${name}: ${one}`);
}

/** The same of namespaces of its Zero-DBs, which their own processes tell. One that has none has no process. */
export async function namespacesOn(
  node: NamedNode,
  keys: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const { zdb } = await node.status(signal);
    const names = (await Promise.all(zdb.map(namespacesOf))).flat();
    return names.filter((name) => keys.has(name)).map((name) => `${node.name}: namespace ${name}`);
  } catch (error) {
    if (isGridError(error, 'BASE_ABORTED') || !isGridError(error)) throw error;
    const isSilent = error.code === 'RESP_CONNECT_FAILED' || error.code === 'RESP_CONNECTION_LOST';
    if (isSilent && !(await runsZeroDb(node.folder))) return [];
    return [`${node.name}: its namespaces cannot be asked for (${error.code})`];
  }
}

type NamedNode = Pick<DemoNode, 'folder' | 'name'> & {
  status(signal: AbortSignal): Promise<Pick<Awaited<ReturnType<DemoNode['status']>>, 'zdb'>>;
};

/** Cgroups of the containers of a node, in all trees. */
async function cgroupsOf(prefix: string): Promise<readonly string[]> {
  const root = '/sys/fs/cgroup';
  const trees = [root, ...(await entriesOf(root))];
  const all = trees.map((tree) => entriesOf(join(tree, `${prefix}.containers`)));
  return (await Promise.all(all)).flat();
}

/** What a program prints inside of the network of a machine. */
async function linesInside(netns: string, words: readonly string[]): Promise<readonly string[]> {
  const text = await runProgram('nsenter', [`--net=${netns}`, ...words], {
    timeoutMs: listTimeoutMs,
  });
  return text.split('\n');
}
