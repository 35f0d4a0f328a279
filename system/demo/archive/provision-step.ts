import { runProgram } from '@commongrid/base';

import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { placesOf } from './archive-contract.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { untilReady } from './contract-places.ts';

/** For a program that lists sockets, ms. */
const listTimeoutMs = 30_000;

/** All of it runs, brought there by records alone: what a machine listens on from outside is Zero-DB, and nothing else. */
export const provisionStep: DemoStep<ArchiveScene> = {
  name: 'provision',
  needs: ['payment'],
  async run({ town, shards }) {
    const startedMs = performance.now();
    const wanted = placesOf(shards);
    await untilReady(town, wanted);
    const took = ((performance.now() - startedMs) / 1_000).toFixed(1);
    const ports = await Promise.all(town.nodes.map((node) => requireNoDoors(town, node)));
    const open = ports.reduce((sum, count) => sum + count, 0);
    return `${wanted} of ${wanted} ready ${took} s after they were paid; ${open} ports open on ${ports.length} machines, each of a Zero-DB`;
  },
};

/** @returns how many ports of a machine are open to others @throws when one is not that of a Zero-DB */
async function requireNoDoors(town: DemoTown, node: DemoNode): Promise<number> {
  const { zdb } = await node.status(town.signal);
  const known = new Set(zdb.map(({ port }) => port));
  const open = (await listenersOf(node, town.signal)).filter((one) => !isLoopback(one));
  for (const listener of open) {
    const port = Number(listener.slice(listener.lastIndexOf(':') + 1));
    must(known.has(port), `${node.name} listens at ${listener}`);
  }
  return open.length;
}

/** Addresses with ports at which programs of a machine listen for TCP. */
async function listenersOf(node: DemoNode, signal: AbortSignal): Promise<readonly string[]> {
  const words = [`--net=${node.netns}`, 'ss', '-Hltn'];
  const text = await runProgram('nsenter', words, { timeoutMs: listTimeoutMs, signal });
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => line.trim().split(/\s+/)[3] ?? '');
}

function isLoopback(listener: string): boolean {
  return listener.startsWith('127.') || listener.startsWith('[::1]');
}
