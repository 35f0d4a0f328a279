import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { askControl, isGridError, waitFor } from '@commongrid/base';

import { root, run } from '../e2e/grid-process.ts';
import { killMachine, processesOf, programsIn, programsOf } from '../machines/machine-processes.ts';
import { emptyDisk, mountDisk, unmountDisk } from '../machines/own-disk.ts';
import type { DemoNetwork } from './demo-network.ts';

/** For a node to come, ms: many start at once. @param slack how many times longer it may take */
export function nodePatience(slack: number): { timeoutMs: number; everyMs: number } {
  return { timeoutMs: 300_000 * slack, everyMs: 200 };
}

export interface DemoNodeOptions {
  readonly network: DemoNetwork;
  /** Number of the machine on the network. */
  readonly at: number;
  /** As commands call it. */
  readonly name: string;
  /** Name of its farm. */
  readonly farm: string;
  /** Of all nodes; it gets one of its own in there. */
  readonly folder: string;
  /** GRID_HOME of whoever starts it. */
  readonly home: string;
  /** Its disk, which is taken from this machine's at once. */
  readonly diskBytes: number;
  /** Whether its folder is a file system of its own, which may be full. Default false. */
  readonly hasOwnDisk?: boolean;
  /** How many times longer than usual it may take to come. */
  readonly slack: number;
}

/** Without power: ms since 1970. */
export interface PowerCut {
  /** When the last process of the machine was gone. */
  readonly fromMs: number;
  /** When it had power again. */
  readonly untilMs: number;
}

interface NodeStatus {
  readonly id: string;
  readonly standing: string;
  /** Workloads by phase. */
  readonly phases: Readonly<Record<string, number>>;
  /** Where images come from; null while that does not answer. */
  readonly images: readonly { readonly name: string; readonly refusedChunks: number }[] | null;
  /** What is given away of its room, by kind. */
  readonly used: Readonly<Record<string, number>>;
  /** Where its Zero-DBs are, each with the SHA-256 of its certificate. */
  readonly zdb: readonly ZdbDoor[];
}

interface NodeWorkload {
  readonly id: string;
  /** `container` or `zdb`. */
  readonly kind: string;
  readonly phase: string;
  /** How often it was started again. */
  readonly restarts: number;
}

/** A Zero-DB of a machine, as others reach it. */
export interface ZdbDoor {
  readonly host: string;
  readonly port: number;
  readonly fingerprint: string;
}

/** A machine of a farm: a namespace of the network, a folder that is its disk, and a node that joined. */
export class DemoNode {
  readonly at: number;
  readonly name: string;
  readonly farm: string;
  readonly folder: string;
  readonly prefix: string;
  readonly address: string;
  readonly #network: DemoNetwork;
  readonly #home: string;
  readonly #diskBytes: number;
  readonly #hasOwnDisk: boolean;
  readonly #patience: { readonly timeoutMs: number; readonly everyMs: number };
  readonly #powerCuts: PowerCut[] = [];
  #id = '';
  #hasPower = false;
  #offSinceMs: number | undefined;

  constructor(options: DemoNodeOptions) {
    const { network, at, name, farm, folder, home, diskBytes, hasOwnDisk, slack } = options;
    this.at = at;
    this.name = name;
    this.farm = farm;
    this.folder = nodeFolder(folder, at);
    this.prefix = network.prefixOf(at);
    this.address = network.addressOf(at);
    this.#network = network;
    this.#home = home;
    this.#diskBytes = diskBytes;
    this.#hasOwnDisk = hasOwnDisk ?? false;
    this.#patience = nodePatience(slack);
  }

  /** Of its record; empty until it answered. */
  get id(): string {
    return this.#id;
  }

  /** Whether it is switched on, as far as the demo did that. */
  get hasPower(): boolean {
    return this.#hasPower;
  }

  /** When it had none, as far as that is over. */
  get powerCuts(): readonly PowerCut[] {
    return this.#powerCuts;
  }

  /** Path of its network namespace. */
  get netns(): string {
    return join('/run/netns', this.#network.netnsOf(this.at));
  }

  /** Puts the machine on the network, and starts its node with an invitation. */
  async join(token: string): Promise<void> {
    this.#network.addMachine(this.at);
    if (this.#hasOwnDisk) await mountDisk(this.folder, diskParts * this.#diskBytes + ownBytes);
    await writeFile(this.#tokenFile, token, { mode: 0o600 });
    this.#start();
  }

  /** What its agent says. @throws when it does not answer */
  async status(signal: AbortSignal): Promise<NodeStatus> {
    const path = join(this.folder, 'control.sock');
    return (await askControl(path, 'status', {}, { signal })) as NodeStatus;
  }

  /** What it has of contracts, as its agent says. @throws when it does not answer */
  async workloads(signal: AbortSignal): Promise<readonly NodeWorkload[]> {
    const path = join(this.folder, 'control.sock');
    return (await askControl(path, 'workloads', {}, { signal })) as readonly NodeWorkload[];
  }

  /** Waits until its agent answers. */
  async answers(signal: AbortSignal): Promise<void> {
    const look = async (): Promise<boolean> => {
      const status = await this.#statusNow(signal);
      this.#id = status?.id ?? this.#id;
      return status !== undefined;
    };
    await waitFor(look, { ...this.#patience, signal, what: `the agent of ${this.name}` });
  }

  /** Waits until it takes part in the grid. */
  async inService(signal: AbortSignal): Promise<void> {
    const look = async (): Promise<boolean> =>
      (await this.#statusNow(signal))?.standing === 'inService';
    await waitFor(look, { ...this.#patience, signal, what: `${this.name} to be in service` });
  }

  /** The machine loses its power: no process of it is left, and nothing answers at its address. */
  async kill(): Promise<void> {
    this.#hasPower = false;
    this.#network.setCable(this.at, 'down');
    await killMachine(this);
    this.#offSinceMs = Date.now();
  }

  /** Starts its node again once it has ended, as the service manager of a machine does. */
  async startAgain(signal: AbortSignal): Promise<void> {
    const hasEnded = async (): Promise<boolean> => {
      const programs = await programsIn(this.folder);
      return !programs.some(({ words }) => words.some((word, at) => isStart(word, words[at + 1])));
    };
    await waitFor(hasEnded, { ...this.#patience, signal, what: `${this.name} to end` });
    this.#start();
  }

  /** Takes its cable out, or puts it in again; its processes go on. */
  setCable(state: 'up' | 'down'): void {
    this.#network.setCable(this.at, state);
  }

  /** It has power again, with what is on its disk. @param env variables of its programs besides the usual ones */
  restart(env: Readonly<Record<string, string>> = {}): void {
    if (this.#offSinceMs !== undefined) {
      this.#powerCuts.push({ fromMs: this.#offSinceMs, untilMs: Date.now() });
      this.#offSinceMs = undefined;
    }
    this.#network.setCable(this.at, 'up');
    this.#start(env);
  }

  /** Numbers of all processes of the machine. */
  async processes(): Promise<readonly number[]> {
    const all = [...(await programsOf(this.folder)), ...(await processesOf(this.prefix))];
    return [...new Set(all)].map(Number);
  }

  #start(env: Readonly<Record<string, string>> = {}): void {
    this.#hasPower = true;
    const { NODE_TEST_CONTEXT: _runner, ...inherited } = process.env;
    const netns = `--net=${this.netns}`;
    const words = ['node', 'start', '--data', this.folder, '--prefix', this.prefix];
    const choices = [
      '--volume-size',
      String(this.#diskBytes),
      '--name',
      this.name,
      '--address',
      this.address,
    ];
    const program = [netns, join(root, 'grid'), ...words, ...choices];
    // In a session of its own: Ctrl-C at a terminal is for the demo, which ends it in order.
    const child = spawn('nsenter', [...program, '--token-file', this.#tokenFile], {
      env: { ...inherited, GRID_HOME: this.#home, GRID_LOG: 'error', ...env },
      stdio: 'ignore',
      detached: true,
    });
    child.unref();
  }

  /** Undefined while it does not answer. */
  async #statusNow(signal: AbortSignal): Promise<NodeStatus | undefined> {
    try {
      return await this.status(signal);
    } catch (error) {
      if (isGridError(error, 'BASE_ABORTED')) throw error;
      if (isGridError(error)) return undefined;
      throw error;
    }
  }

  get #tokenFile(): string {
    return `${this.folder}.token`;
  }
}

/** Whether two words of a program are the command that keeps an agent, or that of the agent. */
function isStart(word: string, next: string | undefined): boolean {
  return word === 'node' && (next === 'start' || next === 'agent');
}

/** Its volumes and its Zero-DBs take as much each, at most. */
const diskParts = 2;
/** For what a machine keeps of its own, bytes. */
const ownBytes = 512 * 2 ** 20;

/** Where the disk of a machine is. */
export function nodeFolder(folder: string, at: number): string {
  return join(folder, String(at).padStart(2, '0'));
}

/**
 * Takes a machine off this one, whatever state it is in: processes, mounts, what it has in the kernel. Data stay.
 * @throws when something of it stays
 */
export async function takeMachineOff(
  network: DemoNetwork,
  folder: string,
  at: number,
): Promise<void> {
  const machine = { folder: nodeFolder(folder, at), prefix: network.prefixOf(at) };
  await killMachine(machine);
  await emptyDisk(machine.folder);
  await leave(network, machine, at);
  await unmountDisk(machine.folder);
}

/** @throws when something of it stays */
async function leave(
  network: DemoNetwork,
  machine: { readonly folder: string; readonly prefix: string },
  at: number,
): Promise<void> {
  const netns = join('/run/netns', network.netnsOf(at));
  // One that never joined has nothing.
  if (!existsSync(join(machine.folder, 'node.json')) || !existsSync(netns)) return;
  const words = ['node', 'leave', '--data', machine.folder, '--prefix', machine.prefix];
  const program = [`--net=${netns}`, join(root, 'grid'), ...words];
  const { status, stderr } = await run('nsenter', program);
  if (status !== 0) throw new Error(`${machine.folder} stays on this machine: ${stderr}`);
}
