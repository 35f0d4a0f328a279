import type { Random } from '@commongrid/base';
import type { ClockFault } from './machine.ts';

/** Something that goes wrong, from a moment on and for so long, ms since the start of the faults. */
export type Fault = { readonly atMs: number; readonly forMs: number } & (
  | { readonly is: 'node-off'; readonly node: number }
  /** For good. */
  | { readonly is: 'node-dead'; readonly node: number }
  /** These nodes, and nobody else, are cut off from all others; `out`: what they say is lost. */
  | { readonly is: 'nodes-cut'; readonly nodes: readonly number[]; readonly way: Way }
  | { readonly is: 'bot-cut'; readonly bot: number; readonly way: Way }
  | { readonly is: 'bot-off'; readonly bot: number }
  | { readonly is: 'sequencer-off'; readonly clock: ClockFault }
  | { readonly is: 'node-clock'; readonly node: number; readonly clock: ClockFault }
  /** Its farmer takes it out of service, and back. */
  | { readonly is: 'node-drains'; readonly node: number }
  /** Nothing new starts there: no image can be had. */
  | { readonly is: 'node-fails'; readonly node: number }
  /** What it says to the database takes so much longer: it has given up by then. */
  | { readonly is: 'bot-slow'; readonly bot: number; readonly byMs: number }
);

export type Way = 'both' | 'in' | 'out';

export interface FaultsOptions {
  readonly random: Random;
  readonly nodes: number;
  readonly bots: number;
  /** Time in which faults begin, ms. */
  readonly windowMs: number;
}

/** Draws what goes wrong: a few things at a time, some of them together. */
export function drawFaults({ random, nodes, bots, windowMs }: FaultsOptions): readonly Fault[] {
  const count = random.int(1, 9);
  const deadMax = random.int(0, 2);
  const faults: Fault[] = [];
  for (let drawn = 0; drawn < count; drawn++) {
    const when = { atMs: random.int(0, windowMs), forMs: durationOf(random) };
    faults.push({ ...when, ...drawOne(random, nodes, bots) });
  }
  for (let dead = 0; dead < deadMax; dead++) {
    const atMs = random.int(0, windowMs);
    faults.push({ is: 'node-dead', node: random.int(0, nodes), atMs, forMs: 0 });
  }
  const slowMax = random.int(0, 4);
  for (let slow = 0; slow < slowMax; slow++) {
    const when = { atMs: random.int(0, windowMs), forMs: durationOf(random) };
    faults.push({ ...when, ...drawCare(random, nodes, bots) });
  }
  return faults.toSorted((a, b) => a.atMs - b.atMs);
}

/** A line for people. */
export function faultText(fault: Fault): string {
  const { atMs, forMs, is, ...rest } = fault;
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  return `at ${seconds(atMs)} s, for ${seconds(forMs)} s: ${is} ${JSON.stringify(rest)}`;
}

/** A clock that is more or less wrong; now and then by much. */
export function drawClock(random: Random): ClockFault {
  const farMs = [20, 500, 9_000, 60_000][random.int(0, 4)] ?? 0;
  return { skewMs: random.int(-farMs, farMs + 1), rate: 1 + random.int(-10, 11) / 1000 };
}

type Cause = Fault extends infer One
  ? One extends Fault
    ? Omit<One, 'atMs' | 'forMs'>
    : never
  : never;

function drawOne(random: Random, nodes: number, bots: number): Cause {
  const way = (['both', 'both', 'in', 'out'] as const)[random.int(0, 4)] ?? 'both';
  const node = random.int(0, nodes);
  switch (random.int(0, 7)) {
    case 0:
    case 1:
      return { is: 'node-off', node };
    case 2:
    case 3: {
      const size = random.int(1, 1 + Math.ceil(nodes / 2));
      const cut = Array.from({ length: size }, () => random.int(0, nodes));
      return { is: 'nodes-cut', nodes: [...new Set(cut)].toSorted((a, b) => a - b), way };
    }
    case 4: {
      const bot = random.int(0, bots);
      return random.int(0, 2) === 0 ? { is: 'bot-off', bot } : { is: 'bot-cut', bot, way };
    }
    case 5:
      return { is: 'sequencer-off', clock: drawClock(random) };
    default:
      return { is: 'node-clock', node, clock: drawClock(random) };
  }
}

/** What makes replicas leave nodes that are there, or makes orders late. */
function drawCare(random: Random, nodes: number, bots: number): Cause {
  const node = random.int(0, nodes);
  switch (random.int(0, 4)) {
    case 0:
    case 1:
      return { is: 'node-drains', node };
    case 2:
      return { is: 'node-fails', node };
    default:
      return { is: 'bot-slow', bot: random.int(0, bots), byMs: random.int(1_000, 20_000) };
  }
}

function durationOf(random: Random): number {
  const mostMs = [3_000, 15_000, 40_000, 90_000][random.int(0, 4)] ?? 3_000;
  return random.int(200, mostMs);
}
