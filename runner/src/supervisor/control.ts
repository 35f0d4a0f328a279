import { join } from 'node:path';

import { askControl, ControlSocket, GridError, isGridError } from '@commongrid/base';
import type { ControlArguments } from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';
import type { GridHome } from '../home.ts';
import type { GridState } from './grid-state.ts';

const controlActions = ['status', 'start', 'stop', 'shutdown'] as const;

/** What the supervisor does on request. Services by name; none means all. */
export interface ControlRequest {
  readonly action: (typeof controlActions)[number];
  readonly services: readonly string[];
}

export type ControlHandler = (request: ControlRequest) => Promise<GridState>;

/** Listens for the supervisor at run/control.sock. The caller holds the lock of run/. */
export function openControl(home: GridHome, handler: ControlHandler): Promise<ControlSocket> {
  const actions = controlActions.map((action) => {
    const act = (args: ControlArguments): Promise<GridState> =>
      handler({ action, services: servicesOf(args) });
    return [action, act] as const;
  });
  return ControlSocket.open({ path: socketPath(home), actions: Object.fromEntries(actions) });
}

/**
 * Asks the supervisor of a home. Undefined when there is none that listens.
 * @throws what the supervisor answers, GRID_SUPERVISOR_UNREACHABLE when it does not in time
 */
export async function askSupervisor(
  home: GridHome,
  { action, services }: ControlRequest,
  timeoutMs: number,
): Promise<GridState | undefined> {
  try {
    return (await askControl(socketPath(home), action, { services }, { timeoutMs })) as GridState;
  } catch (error) {
    if (isGridError(error, 'BASE_CONTROL_ABSENT')) return undefined;
    const isLost = isGridError(error, 'BASE_CONTROL_LOST') || isGridError(error, 'BASE_TIMEOUT');
    throw isLost ? unreachable(error) : error;
  }
}

function servicesOf({ services }: ControlArguments): readonly string[] {
  const isList = Array.isArray(services) && services.every((name) => typeof name === 'string');
  if (isList) return services;
  throw new GridError<GridErrorCode>(
    'GRID_CONTROL_REQUEST',
    'the supervisor cannot read the request: its services are no list of names',
    { hint: './grid down, then ./grid up' },
  );
}

function unreachable(cause: unknown): GridError<GridErrorCode> {
  return new GridError('GRID_SUPERVISOR_UNREACHABLE', 'the supervisor does not answer', {
    hint: './grid down, then ./grid up',
    retryable: true,
    cause,
  });
}

function socketPath(home: GridHome): string {
  return join(home.run, 'control.sock');
}
