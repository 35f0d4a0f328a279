import { once } from 'node:events';
import { connect } from 'node:net';

import { isGridError } from '@commongrid/base';

import { keptPorts } from '../backends-file.ts';
import type { GridHome } from '../home.ts';
import type { GridStatus } from '../one-machine-grid.ts';
import { choosePorts } from '../ports.ts';
import { nameRanges } from '../service-ranges.ts';
import { serviceTable } from '../service-table.ts';
import { layoutOf } from '../storage-layout.ts';
import type { ServiceState } from '../supervisor/grid-state.ts';
import { bad, doubtful, fine } from './diagnosis.ts';
import type { Diagnosis } from './diagnosis.ts';

/** Whether all runs that is to run. */
export function examineServices({ state, isSupervised }: GridStatus): Diagnosis {
  const name = 'services';
  const services = Object.entries(state?.services ?? {});
  const named = (isMeant: (phase: string) => boolean): readonly string[] =>
    services.flatMap(([service, { phase }]) => (isMeant(phase) ? [service] : []));
  const running = named((phase) => phase === 'running');
  if (!isSupervised && running.length === 0) return doubtful(name, 'the grid is down', './grid up');
  if (!isSupervised) return bad(name, 'they run without their supervisor', './grid up');
  const failed = named((phase) => phase === 'failed' || phase === 'waiting');
  const [first = ''] = failed;
  if (failed.length > 0) {
    const log = state?.services[first]?.log ?? '';
    return bad(name, `do not run: ${nameRanges(failed)}`, `see ${log}; then ./grid up`);
  }
  const restarted = services.flatMap(([service, { restartCount }]) =>
    restartCount === 0 ? [] : [`${service} ${restartCount} times`],
  );
  if (restarted.length === 0) return fine(name, `${running.length} run`);
  return doubtful(name, `started again: ${restarted.join(', ')}`, 'see their logs: ./grid status');
}

/** Whether services are reached at their ports or, when the grid is down, may have them. */
export async function examinePorts(home: GridHome, status: GridStatus): Promise<Diagnosis> {
  return status.isSupervised ? portsInUse(status) : freePorts(home, status);
}

async function portsInUse({ state }: GridStatus): Promise<Diagnosis> {
  const name = 'ports';
  const wanted = Object.entries(state?.services ?? {}).flatMap(([service, { phase, addresses }]) =>
    phase === 'running' ? doorsOf(service, addresses) : [],
  );
  const silent = await Promise.all(
    wanted.map(async (one) => ((await accepts(one.address)) ? [] : [one])),
  );
  const [first] = silent.flat();
  if (first === undefined) return fine(name, `${wanted.length} take connections`);
  const next = `look at the log of ${first.service}: ./grid status --json`;
  return bad(name, `${first.service} does not at ${first.address}`, next);
}

/** Where a service that runs takes connections; Zero-DBs of a node do so once there is a workload. */
function doorsOf(
  service: string,
  addresses: ServiceState['addresses'],
): readonly { readonly service: string; readonly address: string }[] {
  const { 'node-zdb': _late, ...doors } = addresses;
  return Object.values(doors).map((address = '') => ({ service, address }));
}

async function accepts(address: string): Promise<boolean> {
  const [host = '', port = ''] = address.split(':');
  const socket = connect({ host, port: Number(port), signal: AbortSignal.timeout(connectMsMax) });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.on('error', () => {});
    socket.destroy();
  }
}

/** For a service of this machine to take a connection, ms. */
const connectMsMax = 10_000;

async function freePorts(home: GridHome, { state }: GridStatus): Promise<Diagnosis> {
  const name = 'ports';
  const layout = await layoutOf(home);
  const kept = await keptPorts(home, layout);
  const names = serviceTable(layout).flatMap(({ ports }) => ports);
  const base = state?.portBase ?? undefined;
  const taken: string[] = [];
  for (const one of names) {
    try {
      await choosePorts([one], base, kept);
    } catch (error) {
      if (!isGridError(error, 'GRID_PORT_UNAVAILABLE')) throw error;
      taken.push(error.message);
    }
  }
  const [first = ''] = taken;
  if (taken.length === 0) return fine(name, `${names.length} are free`);
  const next = 'end what uses them (ss -ltnp), or ./grid up --port-base 0';
  return bad(name, `${taken.length} of ${names.length} are not free: ${first}`, next);
}
