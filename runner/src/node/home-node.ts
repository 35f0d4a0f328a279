import { randomBytes } from 'node:crypto';
import { statfs } from 'node:fs/promises';

import { BcdbClient } from '@commongrid/bcdb/client';
import { GridError, isGridError, waitFor } from '@commongrid/base';
import type { NodeId } from '@commongrid/model';

import { trustOfGenesis } from '../bcdb-trust.ts';
import type { LogTrust } from '../bcdb-trust.ts';
import { readSecret } from '../commands/zdb/connection.ts';
import type { GridErrorCode } from '../errors.ts';
import type { GridHome } from '../home.ts';
import { readKeyFile } from '../key-file.ts';
import { keepChoice } from '../kept-choice.ts';
import { askSupervisor } from '../supervisor/control.ts';
import type { GridState } from '../supervisor/grid-state.ts';
import { turnIn } from '../turn-in.ts';
import { homeFarm } from './home-farm.ts';
import { homeNodeService, leaveHomeNode } from './home-node-place.ts';
import type { JoinToken } from './join-token.ts';
import { installStep, lackOfMachine } from './machine-lack.ts';
import { readLogFacts } from './log-facts.ts';
import { NodeFolder } from './node-folder.ts';
import { OwnedGrid } from './owned-grid.ts';

/** The node that a grid runs on its own machine. */
export interface HomeNode {
  readonly node: { readonly id: NodeId; readonly name: string } | undefined;
  /** Why there is none. */
  readonly lack: string | undefined;
}

export interface HomeNodeOptions {
  /** Undefined: as it was before; at the first time it runs. */
  readonly isWanted?: boolean | undefined;
  /** Disk for volumes, chosen when the node is made. Default: a quarter of what is free, 32 GiB at most. */
  readonly volumeBytes?: number | undefined;
}

/** Disk for volumes, unless somebody says otherwise: at most so much, a quarter of what is free. */
const volumeBytesMax = 32 * 2 ** 30;
/** For the service to start: it may have to make a disk. */
const startTimeoutMs = 300_000;
/** For the node to say who it is. */
const introducedTimeoutMs = 20_000;
/** The token is used at once. */
const tokenMs = 60_000;

/**
 * Runs the node of a grid that is up: makes it, and a farm for it, when there is none, starts its
 * service, and has its owner adopt it. A grid is up without it: what goes wrong is told, not thrown.
 */
export async function startHomeNode(
  home: GridHome,
  state: GridState,
  options: HomeNodeOptions,
): Promise<HomeNode> {
  try {
    if (!(await keepChoice(home.noNodeFile, options.isWanted))) {
      await stop(home, state);
      return lacking('not wanted; ./grid up --node');
    }
    if (state.services[homeNodeService]?.phase !== 'running') {
      const lack = await lackOf(home);
      if (lack !== undefined) return lacking(lack);
    }
    return { node: await start(home, state, options.volumeBytes), lack: undefined };
  } catch (error) {
    if (isGridError(error)) return lacking(`${error.code}: ${error.message}`);
    return lacking(error instanceof Error ? error.message : String(error));
  }
}

async function stop(home: GridHome, state: GridState): Promise<void> {
  const services = [homeNodeService];
  const { phase = 'stopped' } = state.services[homeNodeService] ?? {};
  if (phase === 'stopped') return;
  await askSupervisor(home, { action: 'stop', services }, startTimeoutMs);
  await leaveHomeNode(home);
}

/** What the machine lacks, and the next step; undefined when it has all. */
async function lackOf(home: GridHome): Promise<string | undefined> {
  if (process.getuid?.() !== 0)
    return 'only root can run containers, volumes and namespaces; next: ./grid up as root';
  const { missing, packages, steps } = await lackOfMachine(home.node);
  if (missing.length === 0) return undefined;
  const names = missing.map(({ name }) => name).join(', ');
  const all = packages.length === 0 ? steps : [...steps, installStep(packages)];
  return `missing: ${names}; next: ${all.join('; ')}, then ./grid up`;
}

async function start(
  home: GridHome,
  state: GridState,
  volumeBytes: number | undefined,
): Promise<HomeNode['node']> {
  const url = `http://${state.services['bcdb']?.addresses['bcdb-http']}`;
  const trust = await trustOfGenesis(home.bcdbGenesisFile);
  const token = await readSecret(home.ownerTokenFile);
  const client = await BcdbClient.connect({ url, trust, token });
  const grid = await OwnedGrid.open(client, (await readKeyFile(home.ownerKeyFile)).publicKey.text);
  const folder = new NodeFolder(home.node);
  const hub = `http://${state.services['hub']?.address}`;
  await join(home, folder, { client, grid, trust, url, hub }, volumeBytes);
  const { node: id, name, trust: its } = await folder.read();
  if (its.log !== trust.log) throw otherGrid(folder.path);
  await startService(home);
  await adopt(client, grid, id);
  return { id, name };
}

/** Once: others who bring the same grid up wait. */
async function join(
  home: GridHome,
  folder: NodeFolder,
  whereabouts: Whereabouts,
  volumeBytes: number | undefined,
): Promise<void> {
  await using _turn = await turnIn(home.identity);
  if (folder.hasJoined) return;
  const token = await tokenFor(whereabouts);
  await folder.join(token, undefined, volumeBytes ?? (await usualVolumeBytes(home)));
}

async function usualVolumeBytes({ path }: GridHome): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  const bytes = Math.min(volumeBytesMax, (bavail * bsize) / 4);
  return Math.floor(bytes / 2 ** 20) * 2 ** 20;
}

/** By it the node joins as any other does. */
async function tokenFor({ client, grid, trust, url, hub }: Whereabouts): Promise<JoinToken> {
  return {
    ...{ v: 1, log: trust.log, sequencer: trust.sequencerKey, urls: [url], hubs: [hub] },
    releaseKeys: (await readLogFacts(client, trust.log)).releaseKeys,
    farm: (await homeFarm(client, grid)).id,
    secret: randomBytes(32).toString('base64url'),
    expiresMs: Date.now() + tokenMs,
  };
}

interface Whereabouts {
  readonly client: BcdbClient;
  readonly grid: OwnedGrid;
  readonly trust: LogTrust;
  readonly url: string;
  readonly hub: string;
}

/** @throws GRID_SERVICE_FAILED, GRID_START_TIMEOUT, GRID_SUPERVISOR_UNREACHABLE */
async function startService(home: GridHome): Promise<void> {
  const services = [homeNodeService];
  const state = await askSupervisor(home, { action: 'start', services }, startTimeoutMs);
  if (state?.services[homeNodeService] !== undefined) return;
  throw new GridError<GridErrorCode>('GRID_SERVICE_UNKNOWN', 'the supervisor knows of no node', {
    hint: './grid down, then ./grid up',
  });
}

/** Once it says who it is. What its owner said of it before stays. */
async function adopt(client: BcdbClient, grid: OwnedGrid, id: NodeId): Promise<void> {
  const known = await waitFor(async () => (await grid.nodes()).find(({ node }) => node.id === id), {
    timeoutMs: introducedTimeoutMs,
    everyMs: 100,
    what: 'the word of the node',
  });
  if (known.standing !== undefined) return;
  const value = { node: id, farm: known.farm.id, standing: 'active' as const };
  await client.write({ ns: 'grid', op: 'put', url: 'grid.adoption.1', obj: id, value });
}

function otherGrid(folder: string): GridError<GridErrorCode> {
  return new GridError('GRID_NODE_JOINED', `the node in ${folder} joined another grid`, {
    hint: 'run it by ./grid node start',
    details: { folder },
  });
}

function lacking(lack: string): HomeNode {
  return { node: undefined, lack };
}
