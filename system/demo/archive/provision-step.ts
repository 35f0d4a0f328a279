import { runProgram, seededRandom } from '@commongrid/base';

import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import { openPorts, portMax } from '../open-ports.ts';
import type { DemoStep } from '../steps.ts';
import { placesOf, s3Port } from './archive-contract.ts';
import { contractOf, must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { placedOn, placementOf, untilReady } from './contract-places.ts';
import { drawn, drawnOne } from './outage.ts';

/** For a program that lists sockets, ms. */
const listTimeoutMs = 30_000;

/** So many ports of each machine are tried beside those where it is known to listen, drawn anew each time. */
const triedPorts = 4_000;

/**
 * All of it runs, brought there by records alone: what a machine is reached at from outside is Zero-DB and what the
 * contract publishes, and nothing else. All ports of one machine are tried, and some of each other one.
 */
export const provisionStep: DemoStep<ArchiveScene> = {
  name: 'provision',
  needs: ['payment'],
  async run(scene) {
    const { town, shards, random } = scene;
    const startedMs = performance.now();
    const wanted = placesOf(shards);
    await untilReady(town, wanted);
    const took = ((performance.now() - startedMs) / 1_000).toFixed(1);
    const heads = placedOn(town, await placementOf(town, contractOf(scene).id), 'heads');
    const whole = drawnOne(heads, random);
    const portsRandom = seededRandom(random.int(0, portMax));
    let [zdbs, published] = [0, 0];
    // One machine after the other: what a kernel remembers of connections is bounded.
    for (const node of town.nodes) {
      const hasHead = heads.includes(node);
      const tried = node === whole ? allPorts : drawn(allPorts, triedPorts, portsRandom);
      zdbs += await requireNoDoors(town, node, { tried, published: hasHead ? [s3Port] : [] });
      if (hasHead) published++;
    }
    const doors = `${zdbs} ports of Zero-DBs are open on ${town.nodes.length} machines, and no other one than S3 on ${published}`;
    const how = `all ${portMax} ports of ${whole.name} tried, ${triedPorts} drawn ones of each other machine, and all at which one listens`;
    return `${wanted} of ${wanted} ready ${took} s after they were paid; ${doors}: ${how}`;
  },
};

const allPorts = Array.from({ length: portMax }, (_, at) => at + 1);

/**
 * @param published ports that the contract opens on it
 * @returns how many ports of Zero-DBs of a machine are open to others @throws when another one is
 */
async function requireNoDoors(
  town: DemoTown,
  node: DemoNode,
  {
    tried,
    published,
  }: { readonly tried: readonly number[]; readonly published: readonly number[] },
): Promise<number> {
  const { zdb } = await node.status(town.signal);
  const zdbs = new Set(zdb.map(({ port }) => port));
  const known = new Set([...zdbs, ...published]);
  const listeners = (await listenersOf(node, town.signal)).filter((one) => !isLoopback(one));
  const listening = listeners.map((one) => Number(one.slice(one.lastIndexOf(':') + 1)));
  const ports = [...new Set([...listening, ...known, s3Port, ...tried])];
  const open = await openPorts(node.address, ports, town.signal);
  for (const port of [...open, ...listening]) {
    must(known.has(port), `${node.name} is reached at port ${port}`);
  }
  return open.filter((port) => zdbs.has(port)).length;
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
