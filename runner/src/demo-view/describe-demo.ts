import { formatBytes } from '@commongrid/base';
import type { Comparison, DemoFrame } from '@commongrid/system/demo';

import { counted, formatTable } from '../terminal.ts';
import type { Style } from '../terminal.ts';

type Machine = DemoFrame['farms'][number]['machines'][number];
type Shard = DemoFrame['shards'][number];

/** A square for each machine and each shard: they are told apart without colours as well. */
const squares = { good: '■', between: '▨', bad: '□' } as const;

/** Lines for people who watch. @param former the frame before, by which throughput is measured */
export function describeDemo(
  frame: DemoFrame,
  former: DemoFrame | undefined,
  style: Style,
): readonly string[] {
  const { sinceMs, passed, failed, step, farms, shards, traffic } = frame;
  const title = `demo archive, ${clock(sinceMs)}: ${passed} passed, ${failed} failed`;
  const now = step === undefined ? '' : `${step.name}, ${(step.forMs / 1_000).toFixed(0)} s`;
  const rows = [
    ...(step === undefined ? [] : [['now', now]]),
    ...(farms.length === 0 ? [] : [['machines', machinesText(farms, style)]]),
    ...(shards.length === 0 ? [] : [['shards', shardsText(shards, style)]]),
    ...(traffic === undefined ? [] : [['clients', trafficText(frame, former, style)]]),
  ];
  return [
    failed === 0 ? style.strong(title) : style.bad(title),
    ...rows.map(([name = '', text = '']) => `  ${name.padEnd(8)}  ${text}`),
  ];
}

/** What was measured, beside the grid that this one is held against. */
export function describeComparison(rows: readonly Comparison[], style: Style): string {
  const head = ['', 'here', 'the original'];
  const table = formatTable([
    head,
    ...rows.map(({ what, here, original }) => [what, here, original]),
  ]);
  const [first = '', ...others] = table.split('\n');
  return [style.strong(first), ...others].join('\n');
}

function machinesText(farms: DemoFrame['farms'], style: Style): string {
  return farms
    .map(
      ({ code, machines }) =>
        `${code} ${machines.map((one) => machineSquare(one, style)).join('')}`,
    )
    .join('  ');
}

function machineSquare(state: Machine, style: Style): string {
  if (state === 'alive') return style.good(squares.good);
  return state === 'silent' ? squares.between : style.bad(squares.bad);
}

function shardsText(shards: readonly Shard[], style: Style): string {
  const countOf = (state: Shard): number => shards.filter((one) => one === state).length;
  const [healthy, refilling, lost] = [countOf('healthy'), countOf('refilling'), countOf('lost')];
  const words = [
    `${healthy} of ${shards.length} healthy`,
    ...(refilling === 0 ? [] : [`${refilling} refilling`]),
    ...(lost === 0 ? [] : [`${lost} lost`]),
  ];
  return `${shards.map((one) => shardSquare(one, style)).join('')}  ${words.join(', ')}`;
}

function shardSquare(state: Shard, style: Style): string {
  if (state === 'healthy') return style.good(squares.good);
  return state === 'refilling' ? squares.between : style.bad(squares.bad);
}

function trafficText(
  { sinceMs, traffic }: DemoFrame,
  former: DemoFrame | undefined,
  style: Style,
): string {
  if (traffic === undefined) return '';
  const { reads, writes, failed, readBytes, writtenBytes } = traffic;
  const before = former?.traffic;
  const seconds = before === undefined ? 0 : (sinceMs - (former?.sinceMs ?? 0)) / 1_000;
  const rate = (now: number, then: number): string =>
    seconds > 0 ? ` at ${formatBytes(Math.max(0, Math.round((now - then) / seconds)))}/s` : '';
  const words = [
    counted(reads, 'read') + rate(readBytes, before?.readBytes ?? 0),
    counted(writes, 'write') + rate(writtenBytes, before?.writtenBytes ?? 0),
  ];
  const failures = `${failed} failed`;
  return `${words.join(', ')}, ${failed === 0 ? failures : style.bad(failures)}`;
}

/** `01:05` */
function clock(ms: number): string {
  const all = Math.floor(ms / 1_000);
  return [Math.floor(all / 60), all % 60].map((part) => String(part).padStart(2, '0')).join(':');
}
