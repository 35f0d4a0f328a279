import {
  processesOf,
  programOf,
  programsIn,
  signalIfThere,
} from '../../../machines/machine-processes.ts';
import type { Program } from '../../../machines/machine-processes.ts';
import { activeHead } from '../../archive/head-lost-step.ts';
import type { ArchiveScene } from '../../archive/archive-scene.ts';
import type { DemoNode } from '../../demo-node.ts';
import type { Fault } from '../fault-schedule.ts';
import { nothingToEnd } from './begun-fault.ts';
import type { BeginFault, BegunFault } from './begun-fault.ts';
import { machineOf } from './machine-faults.ts';
import { pidOf, serviceOf } from './service-faults.ts';

/** The process that a fault befalls. */
type FindProcess = (scene: ArchiveScene, fault: Fault) => Promise<Victim | undefined>;

interface Victim {
  readonly name: string;
  readonly pid: number;
}

const starts = (...wanted: readonly string[]) => {
  return ({ words }: Program): boolean => {
    const at = words.indexOf(wanted[0] ?? '');
    return at >= 0 && wanted.every((word, offset) => words[at + offset] === word);
  };
};

export const agent = ofMachine(starts('node', 'agent'));
export const zeroDb = ofMachine(starts('zdb', 'serve'));
/** What watches over a container. */
export const keeper = ofMachine(({ words: [program = ''] }) => program.endsWith('/conmon'));

/** The head of S3 that serves. */
export const head: FindProcess = async (scene) => {
  const node = await activeHead(scene);
  return victimOn(node, await containerProgramsOf(node), starts('s3', 'serve'));
};

/** A service of `grid up`. */
export const service: FindProcess = async ({ town }, fault) => {
  const name = serviceOf(fault);
  const pid = await pidOf(town, name);
  return pid === undefined ? undefined : { name, pid };
};

/** Ends it at once; what supervises it starts it again. */
export function killed(find: FindProcess): BeginFault {
  return (scene, fault) => {
    return harm(find, scene, fault, ({ pid }) => {
      signalIfThere(pid, 'SIGKILL');
      return nothingToEnd;
    });
  };
}

/** The agent ends at once, and what keeps it with it: the service manager of the machine starts both again. */
export const agentKilled: BeginFault = async (scene, fault) => {
  const node = machineOf(scene, fault);
  const begun = await killed(agent)(scene, fault);
  return begun && { ...begun, end: () => node.startAgain(scene.town.signal) };
};

/** It stands still for a while, and answers nothing. */
export function stopped(find: FindProcess): BeginFault {
  return (scene, fault) => {
    return harm(find, scene, fault, ({ pid }) => {
      signalIfThere(pid, 'SIGSTOP');
      return async () => signalIfThere(pid, 'SIGCONT');
    });
  };
}

async function harm(
  find: FindProcess,
  scene: ArchiveScene,
  fault: Fault,
  how: (victim: Victim) => BegunFault['end'],
): Promise<BegunFault | undefined> {
  const victim = await find(scene, fault);
  return victim && { victim: victim.name, end: how(victim) };
}

function ofMachine(isOne: (program: Program) => boolean): FindProcess {
  return async (scene, fault) => {
    const node = machineOf(scene, fault);
    return victimOn(node, await programsIn(node.folder), isOne);
  };
}

function victimOn(
  { name }: DemoNode,
  programs: readonly Program[],
  isOne: (program: Program) => boolean,
): Victim | undefined {
  const found = programs.find(isOne);
  return found && { name, pid: found.pid };
}

async function containerProgramsOf({ prefix }: DemoNode): Promise<readonly Program[]> {
  return Promise.all((await processesOf(prefix)).map((pid) => programOf(Number(pid))));
}
