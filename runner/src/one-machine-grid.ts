import {
  createLogger,
  delay,
  FolderLock,
  GridError,
  isAlive,
  isGridError,
  silentLogger,
  terminate,
  waitForEnd,
} from '@commongrid/base';
import type { LogLevel } from '@commongrid/base';

import type { GridErrorCode } from './errors.ts';
import { GridHome } from './home.ts';
import { createIdentity } from './owner-identity.ts';
import type { OwnerIdentity } from './owner-identity.ts';
import type { PortBase } from './ports.ts';
import { keptPorts } from './backends-file.ts';
import { serviceTable, startTimeoutMs } from './service-table.ts';
import { homeNodeService, keptZdbPort, leaveHomeNode } from './node/home-node-place.ts';
import { keepLayout, layoutOf } from './storage-layout.ts';
import type { LayoutName } from './storage-layout.ts';
import { askSupervisor } from './supervisor/control.ts';
import { loadState } from './supervisor/grid-state.ts';
import type { GridState, ServiceState } from './supervisor/grid-state.ts';
import { launchSupervisor, reportToLauncher } from './supervisor/launch.ts';
import { endLeftovers, Supervisor } from './supervisor/supervisor.ts';

/** Longest time for all services to become ready, and for all to end. */
const orderTimeoutMs = 60_000 + startTimeoutMs;
const statusTimeoutMs = 5_000;
/** Pause before looking again at a grid that is just starting or stopping. */
const lookAgainMs = 100;

/**
 * Makes the folder of a grid, the layout of its storage, and the identity of its owner, when there
 * are none.
 * @throws GRID_HOME_*, GRID_IDENTITY_LOST, GRID_SHARDS_DIFFER
 */
export async function prepareHome(
  homePath: string,
  shards: LayoutName | undefined,
): Promise<OwnerIdentity> {
  const home = new GridHome(homePath);
  await home.create();
  await keepLayout(home, shards);
  return createIdentity(home);
}

/**
 * Brings everything up and returns once it is ready: starts a supervisor, or asks the one that
 * runs to start what is down. Any number of callers may do this at the same time.
 * @param portBase undefined for the ports of the last start
 * @throws GRID_HOME_*, GRID_PORT_UNAVAILABLE, GRID_PORTS_DIFFER, GRID_SERVICE_FAILED,
 *   GRID_START_TIMEOUT, GRID_SUPERVISOR_*
 */
export async function bringUp(
  homePath: string,
  portBase: PortBase | undefined,
): Promise<GridState> {
  const home = new GridHome(homePath);
  await home.create();
  const deadlineMs = performance.now() + orderTimeoutMs;
  for (;;) {
    const state = await askSupervisor(home, { action: 'start', services: [] }, orderTimeoutMs);
    if (state !== undefined) return requirePorts(state, portBase);
    try {
      return await launchSupervisor(home, await baseOf(home, portBase), orderTimeoutMs);
    } catch (error) {
      // Another caller's supervisor holds the lock, and does not listen yet or not any more.
      const isLate = performance.now() > deadlineMs;
      if (!isGridError(error, 'GRID_ALREADY_UP') || isLate) throw error;
      await delay(lookAgainMs);
    }
  }
}

/**
 * Runs the supervisor in this process until `signal` fires or somebody takes the grid down.
 * Once all services are ready the launcher is told or, without one, `onReady` is called.
 */
export async function runInForeground(
  homePath: string,
  portBase: PortBase | undefined,
  logLevel: LogLevel,
  signal: AbortSignal,
  onReady: (state: GridState) => Promise<void>,
): Promise<void> {
  const home = new GridHome(homePath);
  await home.create();
  const logger = createLogger('supervisor', { level: logLevel });
  try {
    const layout = await layoutOf(home);
    const services = serviceTable(layout);
    const kept = new Map(await keptPorts(home, layout));
    const zdbPort = await keptZdbPort(home);
    if (zdbPort !== undefined) kept.set('node-zdb', zdbPort);
    const base = await baseOf(home, portBase);
    const options = {
      ...{ home, services, keptPorts: kept, logger },
      portBase: base === 'usual' ? undefined : base,
    };
    await using supervisor = await Supervisor.open(options, signal);
    const isLaunched = reportToLauncher({ state: supervisor.state });
    if (!isLaunched) await onReady(supervisor.state);
    const stop = (): void => void supervisor.close();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    await supervisor.closed;
    if (!isLaunched) await leaveHomeNode(home);
  } catch (error) {
    if (isGridError(error)) reportToLauncher({ error: error.toJSON() });
    throw error;
  }
}

/**
 * Stops services; with none named all of them and the supervisor, also when that is dead or does
 * not answer. Data stays. Returns the names of what was stopped.
 * @throws GRID_SERVICE_UNKNOWN, BASE_PROCESS_STUCK
 */
export async function takeDown(homePath: string, services: readonly string[]): Promise<string[]> {
  const home = new GridHome(homePath);
  if (!(await home.exists())) return [];
  const before = (await gridState(home))?.services ?? {};
  await requireKnown(home, services);
  if (services.length > 0) {
    await askSupervisor(home, { action: 'stop', services }, orderTimeoutMs);
    if (services.includes(homeNodeService)) await leaveHomeNode(home);
    return services.filter((name) => (before[name]?.process ?? null) !== null);
  }
  await endSupervisor(home);
  await using _lock = await FolderLock.open(home.run);
  await endLeftovers(home, silentLogger);
  await leaveHomeNode(home);
  return Object.keys(before).filter((name) => (before[name]?.process ?? null) !== null);
}

/** Removes all data, keys and secrets of a grid that is down. */
export async function wipe(homePath: string): Promise<void> {
  await new GridHome(homePath).wipe();
}

/** What there is of the grid; `isSupervised` is false when no supervisor answers. */
export interface GridStatus {
  readonly state: GridState | undefined;
  readonly isSupervised: boolean;
}

/** Looks at the grid without changing anything. */
export async function lookAt(homePath: string): Promise<GridStatus> {
  const home = new GridHome(homePath);
  if (!(await home.exists())) return { state: undefined, isSupervised: false };
  const live = await askSupervisor(home, { action: 'status', services: [] }, statusTimeoutMs);
  if (live !== undefined) return { state: live, isSupervised: true };
  const state = await gridState(home);
  const isSupervised = state !== undefined && (await isAlive(state.supervisor));
  return { state, isSupervised };
}

/** The saved state, without the processes that have ended since. */
async function gridState(home: GridHome): Promise<GridState | undefined> {
  const saved = await loadState(home);
  if (saved === undefined) return undefined;
  const services = await Promise.all(
    Object.entries(saved.services).map(async ([name, service]) => {
      const lives = service.process !== null && (await isAlive(service.process));
      const now: ServiceState = lives ? service : { ...service, phase: 'stopped', process: null };
      return [name, now] as const;
    }),
  );
  return { ...saved, services: Object.fromEntries(services) };
}

async function endSupervisor(home: GridHome): Promise<void> {
  const supervisor = (await loadState(home))?.supervisor;
  try {
    await askSupervisor(home, { action: 'shutdown', services: [] }, orderTimeoutMs);
    if (supervisor !== undefined) await waitForEnd(supervisor, statusTimeoutMs);
  } catch (error) {
    if (!isGridError(error, 'GRID_SUPERVISOR_UNREACHABLE') && !isGridError(error, 'BASE_TIMEOUT')) {
      throw error;
    }
  }
  // One that starts, or hangs, does not listen.
  if (supervisor !== undefined) await terminate(supervisor, orderTimeoutMs);
}

async function requireKnown(home: GridHome, services: readonly string[]): Promise<void> {
  const known = serviceTable(await layoutOf(home)).map(({ name }) => name);
  for (const name of services) {
    if (known.includes(name)) continue;
    throw new GridError<GridErrorCode>('GRID_SERVICE_UNKNOWN', `no service is called ${name}`, {
      hint: './grid status',
      details: { service: name, services: known },
    });
  }
}

/** What was said, or how the grid was started last: who joined it looks for it there. */
async function baseOf(home: GridHome, said: PortBase | undefined): Promise<PortBase> {
  return said ?? (await loadState(home))?.portBase ?? 'usual';
}

function requirePorts(state: GridState, portBase: PortBase | undefined): GridState {
  if (portBase === undefined || portBase === (state.portBase ?? 'usual')) return state;
  throw new GridError<GridErrorCode>(
    'GRID_PORTS_DIFFER',
    `the grid in ${state.home} runs on other ports`,
    {
      hint: `./grid down, then ./grid up --port-base ${portBase}`,
      details: { portBase: state.portBase },
    },
  );
}
