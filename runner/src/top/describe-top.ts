import { formatBytes } from '@commongrid/base';

import { counted, formatTable } from '../terminal.ts';
import type { Style } from '../terminal.ts';
import type { TopFrame, TopNode, TopRent } from './top-frame.ts';

/** Processes that share a line of `services` are told apart by what they use: each has its own. */
interface Use {
  readonly name: string;
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
}

/** Money that ends so soon stands out, ms. */
const soonMs = 24 * 3_600_000;

/** A frame for people. @param former the frame before, by which CPU is measured */
export function describeTop(frame: TopFrame, former: TopFrame | undefined, style: Style): string {
  const { atMs, services, nodes, node, workloads, rents, unknown } = frame;
  const sinceMs = former === undefined ? undefined : atMs - former.atMs;
  const share = (use: Use, before: readonly Use[] | undefined): string => {
    const was = before?.find(({ name }) => name === use.name)?.cpuMs ?? undefined;
    if (sinceMs === undefined || was === undefined || use.cpuMs === null) return '';
    return `${Math.max(0, (100 * (use.cpuMs - was)) / sinceMs).toFixed(0)}%`;
  };
  const memory = ({ memoryBytes }: Use): string =>
    memoryBytes === null ? '' : formatBytes(memoryBytes);
  const serviceRows = services.map((one) => {
    const restarts = one.restartCount === 0 ? '' : `restarted ${one.restartCount}`;
    return [one.name, one.phase, share(one, former?.services), memory(one), restarts];
  });
  const workloadRows = workloads.map((one) => {
    const what = `${one.kind}, ${one.phase}`;
    return [one.name, what, share(one, former?.workloads), memory(one)];
  });
  return [
    ...unknown.map((line) => style.bad(line)),
    ...part(style, `grid at ${new Date(atMs).toISOString()}`, serviceRows),
    ...part(style, 'nodes', nodes.map(nodeRow)),
    ...(node === null ? [] : [roomLine(node)]),
    ...part(style, 'workloads of this node', workloadRows),
    ...part(
      style,
      'money',
      rents.map((rent) => rentRow(rent, atMs)),
    ),
  ].join('\n');
}

/** What of a text a terminal of so many rows shows at once, the cursor below it, and how much is left out. */
export function fittingRows(text: string, rows: number): string {
  const lines = text.split('\n');
  if (lines.length < rows) return text;
  const shown = lines.slice(0, Math.max(0, rows - 2));
  return [...shown, `… ${counted(lines.length - shown.length, 'line')} more: --once`].join('\n');
}

function part(style: Style, title: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : [style.strong(title), formatTable(rows).replaceAll(/^/gm, '  ')];
}

function nodeRow({ name, farm, standing, presence, silentMs }: TopNode): readonly string[] {
  const heard = silentMs === null ? 'never heard' : `heard ${seconds(silentMs)} ago`;
  return [name, farm, standing ?? 'not adopted', presence ?? 'unknown', heard];
}

function roomLine({ capacity, used, service }: NonNullable<TopFrame['node']>): string {
  const cores = (milli: number): string => (milli / 1_000).toFixed(1);
  const words = [
    `cpu ${cores(used.cpuMilli)} of ${cores(capacity.cpuMilli)}`,
    `memory ${formatBytes(used.memoryBytes)} of ${formatBytes(capacity.memoryBytes)}`,
    `disk ${formatBytes(used.ssdBytes)} of ${formatBytes(capacity.ssdBytes)}`,
  ];
  return `  given away here: ${words.join(', ')}${service === 'open' ? '' : `; ${service}`}`;
}

function rentRow({ workload, standing, paidUntilMs }: TopRent, atMs: number): readonly string[] {
  const [, ...name] = workload.split('/');
  if (paidUntilMs === null) return [name.join('/'), standing, 'costs nothing'];
  const leftMs = paidUntilMs - atMs;
  const left = leftMs <= 0 ? 'its money has ended' : `money for ${hours(leftMs)}`;
  return [name.join('/'), standing, left, leftMs < soonMs ? 'soon' : ''];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(0)} s`;
}

function hours(ms: number): string {
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
