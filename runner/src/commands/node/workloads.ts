import { formatBytes } from '@commongrid/base';
import type {
  NodeStatus,
  NumberedEvent,
  Room,
  WorkloadStats,
  WorkloadSummary,
} from '@commongrid/node';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import {
  onlyWorkload,
  unknownWorkload,
  workloadArgument,
  workloadName,
  workloadsCalled,
} from '../../node/find-workload.ts';
import { counted, formatTable } from '../../terminal.ts';
import { formatTime, parseCount } from '../bcdb/options.ts';
import { askNode, nodeSubcommand } from './node-folder-option.ts';
import type { NodeOptions } from './node-folder-option.ts';

/** Events that are shown unless somebody asks for more. */
const eventsShown = 50;
/** Events of one answer of the node. */
const eventsAsked = 400;

export function nodeStatusCommand(context: CommandContext): Command {
  return nodeSubcommand(
    'status',
    'Show who the node of this machine is, and what of it is used.',
  ).action(async (options: NodeOptions) => {
    const status = await askNode<NodeStatus>(context, options, 'status');
    const result = { schema: 'grid.node.status.1', ...status };
    printResult(context, options, result, describeStatus);
  });
}

export function nodeWorkloadsCommand(context: CommandContext): Command {
  return nodeSubcommand('workloads', 'List what runs on the node, or is to run there.').action(
    async (options: NodeOptions) => {
      const workloads = await askNode<readonly WorkloadSummary[]>(context, options, 'workloads');
      const result = { schema: 'grid.node.workloads.1', workloads };
      printResult(context, options, result, () => describeWorkloads(workloads, Date.now()));
    },
  );
}

type EventsOptions = NodeOptions & {
  readonly follow?: true;
  readonly workload?: string;
  readonly limit: number;
};

export function eventsCommand(context: CommandContext): Command {
  return nodeSubcommand('events', 'Show what happened to workloads of the node of this machine.')
    .option('-f, --follow', 'go on with what happens from now on')
    .option('--workload <workload>', `of one only: ${workloadArgument}`)
    .option('--limit <n>', 'so many of the newest', parseCount, eventsShown)
    .action(async (options: EventsOptions) => {
      const workload = await eventsOf(context, options);
      const limit = Math.min(options.limit, eventsAsked);
      const query = { limit, ...(workload === undefined ? {} : { workload }) };
      const ask = (more: object): Promise<readonly NumberedEvent[]> =>
        askNode(context, options, 'events', { ...query, ...more });
      const events = await ask({});
      if (options.follow !== true) {
        const result = { schema: 'grid.node.events.1', events };
        const names = await namesOf(context, options);
        printResult(context, options, result, () => describeEvents(events, names));
        return;
      }
      for (let fresh = events, after = 0; ;) {
        const names = await namesOf(context, options);
        for (const event of fresh) {
          const result = { schema: 'grid.node.event.1', ...event };
          printResult(context, options, result, () => describeEvents([event], names));
        }
        after = fresh.at(-1)?.seq ?? after;
        fresh = await ask({ after, wait: true });
      }
    });
}

export function nodeStatsCommand(context: CommandContext): Command {
  return nodeSubcommand('stats', 'Show what a container uses.')
    .argument('<workload>', workloadArgument)
    .action(async (name: string, options: NodeOptions) => {
      const { id } = await ownWorkload(context, options, name);
      const stats = await askNode<WorkloadStats>(context, options, 'stats', { workload: id });
      const result = { schema: 'grid.node.stats.1', ...stats };
      printResult(context, options, result, describeStats);
    });
}

/** A workload of this node. @throws NODE_WORKLOAD_UNKNOWN, GRID_NAME_AMBIGUOUS */
async function ownWorkload(
  context: CommandContext,
  options: NodeOptions,
  name: string,
): Promise<WorkloadSummary> {
  const all = await askNode<readonly WorkloadSummary[]>(context, options, 'workloads');
  const found = workloadsCalled(all, name);
  const containers = found.filter(({ kind }) => kind === 'container');
  const one = onlyWorkload(containers.length === 0 ? found : containers, name);
  if (one === undefined) throw unknownWorkload(name);
  return one;
}

/** What is gone has events, too: by its whole id. */
async function eventsOf(
  context: CommandContext,
  options: EventsOptions,
): Promise<string | undefined> {
  const { workload: name } = options;
  if (name === undefined || /^contract:[^/]+\/[^/]+\/\d+$/.test(name)) return name;
  return (await ownWorkload(context, options, name)).id;
}

function describeStatus(status: NodeStatus): string {
  const { id, name, farm, standing, session, viewAgeSeconds, logTimeMs } = status;
  const boots = session === null ? 'not told yet' : `session ${session}`;
  const view = viewAgeSeconds === null ? 'not to be trusted' : `${viewAgeSeconds} s old`;
  const phases = Object.entries(status.phases).map(([phase, count]) => `${count} ${phase}`);
  return formatTable([
    ['node', `${name}  ${id}`],
    ['farm', farm],
    ['standing', [standing, boots, ...serviceText(status)].join(', ')],
    ['view', `${view}, log time ${formatTime(logTimeMs)}`],
    ['runs', status.drivers.join(', ')],
    ...describeRelease(status.release),
    ...describeImages(status.images),
    ['workloads', phases.join(', ') || 'none'],
    ...describeRoom(status.used, status.capacity),
    ...status.zdb.map(({ disk, host, port, fingerprint, isRunning }) => [
      `zdb ${disk}`,
      `${isRunning ? '' : 'not running now, '}${host}:${port}, TLS with the certificate ${fingerprint}`,
    ]),
  ]);
}

/** How far a node is that is taken out of service. */
function serviceText({ service, phases }: NodeStatus): readonly string[] {
  if (service === 'open') return [];
  if (service === 'cordoned') return ['cordoned: nothing new comes'];
  const all = Object.entries(phases).filter(([phase]) => !overPhases.has(phase));
  const left = all.reduce((sum, [, count]) => sum + count, 0);
  return [left === 0 ? 'draining: nothing runs here any more' : `draining: ${left} to leave`];
}

const overPhases: ReadonlySet<string> = new Set(['stopped', 'paused', 'refused']);

/** Sources that are well are not told. */
function describeImages(images: NodeStatus['images']): (readonly string[])[] {
  return (images ?? []).flatMap(({ name, lastFailure, refusedChunks }) => {
    const refused = refusedChunks === 0 ? '' : `gave ${counted(refusedChunks, 'wrong chunk')}`;
    const words = [refused, lastFailure ?? ''].filter((word) => word !== '');
    return words.length === 0 ? [] : [['images', `${name}  ${words.join(', ')}`]];
  });
}

function describeRelease(release: NodeStatus['release']): (readonly string[])[] {
  if (release === null) return [];
  const { version, digest = 'as installed', isTrial, wanted, next, failed, problem } = release;
  const rows = [['release', `${version}  ${digest}${isTrial ? ', on trial' : ''}`]];
  const isOther = wanted !== null && next !== 'kept';
  if (isOther) rows.push(['next', `${wanted.version}  ${problem ?? nextTexts[next]}`]);
  if (failed !== null) rows.push(['failed', `${failed.version}  ${failed.message}`]);
  return rows;
}

const nextTexts = { later: 'not at this moment yet', due: 'it is fetched' } as const;

function describeRoom(used: Room, capacity: Room): (readonly string[])[] {
  const cores = (milli: number): string => (milli / 1000).toFixed(1);
  return [
    ['cpu', `${cores(used.cpuMilli)} of ${cores(capacity.cpuMilli)} cores given away`],
    ['memory', `${formatBytes(used.memoryBytes)} of ${formatBytes(capacity.memoryBytes)}`],
    ['ssd', `${formatBytes(used.ssdBytes)} of ${formatBytes(capacity.ssdBytes)}`],
    ['hdd', `${formatBytes(used.hddBytes)} of ${formatBytes(capacity.hddBytes)}`],
  ];
}

export function describeWorkloads(all: readonly WorkloadSummary[], nowMs: number): string {
  if (all.length === 0) return 'the node has none';
  return formatTable(
    all.map((one) => {
      const { key, kind, phase, code, sinceMs, restarts } = one;
      const what = code === null ? phase : `${phase} ${code}`;
      const again = restarts === 0 ? '' : counted(restarts, 'restart');
      return [
        workloadName(one),
        kind,
        what,
        duration(nowMs - sinceMs),
        key,
        remark(one, nowMs) || again,
      ];
    }),
  );
}

function remark({ progress, retryAtMs, isStuck }: WorkloadSummary, nowMs: number): string {
  if (isStuck) return 'stuck';
  if (progress !== null) {
    const { what, doneBytes, totalBytes } = progress;
    return `${what} ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  }
  return retryAtMs === null ? '' : `tried again in ${duration(Math.max(0, retryAtMs - nowMs))}`;
}

/** What workloads of the node are called, by their ids. */
async function namesOf(
  context: CommandContext,
  options: NodeOptions,
): Promise<ReadonlyMap<string, string>> {
  const all = await askNode<readonly WorkloadSummary[]>(context, options, 'workloads');
  return new Map(all.map((one) => [one.id, workloadName(one)]));
}

/** @param names of workloads that are there; what is gone is called by its id */
export function describeEvents(
  events: readonly NumberedEvent[],
  names: ReadonlyMap<string, string>,
): string {
  if (events.length === 0) return 'nothing happened';
  return formatTable(
    events.map(({ at, workload, phase, code = '', message = '', hint }) => {
      const text = hint === undefined ? message : `${message} (next: ${hint})`;
      const name = workload === undefined ? 'node' : (names.get(workload) ?? workload);
      return [formatTime(at), name, phase, code, text];
    }),
  );
}

function describeStats({ cpuUsageUs, memoryBytes, pids, oomKills }: WorkloadStats): string {
  return formatTable([
    ['cpu time', `${(cpuUsageUs / 1e6).toFixed(2)} s`],
    ['memory', formatBytes(memoryBytes)],
    ['processes', String(pids)],
    ['ended for want of memory', String(oomKills)],
  ]);
}

/** `12s`, `5m`, `3h`, `4d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
