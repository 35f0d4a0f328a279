import { emptyDisk, fillDisk } from '../../../machines/own-disk.ts';
import type { ArchiveScene } from '../../archive/archive-scene.ts';
import type { DemoNode } from '../../demo-node.ts';
import type { Fault } from '../fault-schedule.ts';
import type { BeginFault } from './begun-fault.ts';
import { endLoss, losePackets } from './packet-filter.ts';
import type { LostPackets } from './packet-filter.ts';

/** The machine that a fault befalls. */
export function machineOf({ town }: ArchiveScene, { kind, target }: Fault): DemoNode {
  const node = target.place === 'machine' ? town.nodes[target.at] : undefined;
  if (node === undefined) throw new Error(`${kind} has no machine`);
  return node;
}

/** It loses its power. */
export const powerLost: BeginFault = async (scene, fault) => {
  const node = machineOf(scene, fault);
  await node.kill();
  return { victim: node.name, end: async () => node.restart() };
};

/** Its cable is out; its processes go on. */
export const cableOut: BeginFault = async (scene, fault) => {
  const node = machineOf(scene, fault);
  node.setCable('down');
  return { victim: node.name, end: async () => node.setCable('up') };
};

/** Nothing can be written to its disk any more. */
export const diskFull: BeginFault = async (scene, fault) => {
  const node = machineOf(scene, fault);
  await fillDisk(node.folder);
  return { victim: node.name, end: () => emptyDisk(node.folder) };
};

/** Packets are lost at its cable. */
export function packetsLost(lost: (part: number) => LostPackets): BeginFault {
  return async (scene, fault) => {
    const node = machineOf(scene, fault);
    await losePackets(node.netns, lost(fault.part));
    return { victim: node.name, end: () => endLoss(node.netns) };
  };
}

/** Least and most of all packets that are lost at random, percent. */
const randomLoss = [2, 25] as const;

export function randomLossOf(part: number): LostPackets {
  const [least, most] = randomLoss;
  return { direction: 'both', percent: Math.round(least + part * (most - least)) };
}
