import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { throwIfAborted } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';
import { atMostRow, median } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import { specFile } from '../src/container/container-maker.ts';
import type { ContainerSpec } from '../src/container/container-spec.ts';
import { bundleFiles } from '../src/sys/conmon.ts';
import { inNetwork, runtimeVariables } from '../src/sys/runc.ts';
import type { BenchNode } from './bench-node.ts';

const addedName = 'accepted until the first process runs, on top of runc';
const readOnlyName = 'accepted until the first process runs, read-only, on top of runc';

export const startNames: readonly string[] = [addedName, readOnlyName];

/** With three rounds, 18. */
const startsOfRound = 6;

interface Sample {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/**
 * What the node adds to the start of a container. The rival is `runc create` and `runc start` of the
 * same bundle, in the same network namespace, right after it.
 */
export async function startRows(options: BenchOptions, node: BenchNode): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const name of startNames) {
    if (!name.includes(options.only ?? '')) continue;
    rows.push(await startRow(options, node, name));
  }
  return rows;
}

async function startRow(options: BenchOptions, node: BenchNode, name: string): Promise<BenchRow> {
  const count = options.isQuick === true ? options.rounds : options.rounds * startsOfRound;
  const isReadOnly = name === readOnlyName;
  // The first one has the image's layers mounted, and all programs read.
  await startOnce(node, isReadOnly);
  const [ours, rival]: [Sample[], Sample[]] = [[], []];
  for (let time = 0; time < count; time++) {
    throwIfAborted(options.signal);
    options.note(`${name}, ${time + 1} of ${count}`);
    const { sample, id } = await startOnce(node, isReadOnly);
    ours.push(sample);
    rival.push(await runcOnce(node, id));
  }
  const [wallMs, runcMs] = [ours, rival].map((all) => median(all.map((one) => one.wallMs)));
  const [cpuMs, runcCpuMs] = [ours, rival].map((all) => median(all.map((one) => one.cpuMs)));
  const added = median(ours.map((one, i) => one.wallMs - (rival[i]?.wallMs ?? Number.NaN)));
  const note = [
    `medians of ${count}: ${wallMs?.toFixed(0)} ms, runc create + start ${runcMs?.toFixed(0)} ms`,
    `CPU time ${cpuMs?.toFixed(0)} ms of all processes, of runc ${runcCpuMs?.toFixed(0)} ms`,
  ].join('; ');
  return atMostRow({ name, unit: 'ms', ours: added, must: 150, note });
}

async function startOnce(
  node: BenchNode,
  isReadOnly: boolean,
): Promise<{ readonly sample: Sample; readonly id: WorkloadId }> {
  const beforeMs = await node.cpuMs();
  const [started] = await node.run(node.role('single', 1, { isReadOnly }));
  if (started === undefined) throw new Error('nothing was placed');
  const [id, times] = started;
  const wallMs = times.runningMs - times.acceptedMs;
  return { sample: { wallMs, cpuMs: (await node.cpuMs()) - beforeMs }, id };
}

async function runcOnce(node: BenchNode, id: WorkloadId): Promise<Sample> {
  const { prefix, folder } = node.town.plan;
  const config: { readonly linux: object } = JSON.parse(
    await readFile(join(node.bundleOf(id), bundleFiles.config), 'utf8'),
  );
  const spec: ContainerSpec = JSON.parse(await readFile(join(node.bundleOf(id), specFile), 'utf8'));
  const bundle = join(folder, 'rival');
  await mkdir(bundle, { recursive: true, mode: 0o700 });
  const cgroupsPath = `/${prefix}.containers/rival`;
  const linux = { ...config.linux, cgroupsPath };
  await writeFile(join(bundle, 'config.json'), JSON.stringify({ ...config, linux }));
  const runc = ['/usr/sbin/runc', '--root', `/run/commongrid-${prefix}/rival`];
  const cpuBefore = await childrenCpuMs();
  const start = performance.now();
  await runQuietly(
    inNetwork(spec.networkNamespace, [...runc, 'create', '--bundle', bundle, 'rival']),
  );
  await runQuietly({ program: runc[0] ?? '', args: [...runc.slice(1), 'start', 'rival'] });
  const wallMs = performance.now() - start;
  const cpuMs = (await childrenCpuMs()) - cpuBefore;
  await runQuietly({ program: runc[0] ?? '', args: [...runc.slice(1), 'delete', '-f', 'rival'] });
  return { wallMs, cpuMs };
}

interface CommandLine {
  readonly program: string;
  readonly args: readonly string[];
}

/** What it leaves in the background has no pipe of ours. */
async function runQuietly({ program, args }: CommandLine): Promise<void> {
  const child = spawn(program, args, { stdio: 'ignore', env: { ...runtimeVariables } });
  const [exitCode] = (await once(child, 'close')) as [number | null];
  if (exitCode !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${exitCode}`);
}

/** CPU time of the programs that this process has waited for. */
async function childrenCpuMs(): Promise<number> {
  const stat = await readFile('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // 16 cutime, 17 cstime, in hundredths of a second.
  return (Number(fields[13]) + Number(fields[14])) * 10;
}
