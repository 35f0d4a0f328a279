import { tempFolder } from '@commongrid/base/testing';
import type { BotId, ContractId, ContractRole, WorkloadId } from '@commongrid/model';

import type { Assignment } from '../../src/index.ts';
import { shortIdOf } from '../../src/index.ts';
import { NodeState } from '../../src/reconcile/node-state.ts';
import { Reconciler } from '../../src/reconcile/reconciler.ts';
import type { Wish } from '../../src/reconcile/wish.ts';
import { PaperDriver, PaperMachine } from '../../src/testing/index.ts';

const gib = 2 ** 30;
const capacity = {
  cpuMilli: 4_000,
  memoryBytes: 4 * gib,
  ssdBytes: 100 * gib,
  hddBytes: 0,
  pids: 1_000,
};

export function roleOf(change: Partial<ContractRole> = {}): ContractRole {
  return {
    name: 'web',
    replicas: 1,
    workload: { kind: 'volume', volume: { sizeBytes: gib, disk: 'ssd' } },
    resources: { cpuMilli: 1_000, memoryBytes: gib, ssdBytes: gib, hddBytes: 0, ipv4: 0 },
    networks: [],
    restart: { policy: 'always', delayMs: 100, delayMaxMs: 400 },
    after: [],
    spread: { distinctNodes: false },
    data: 'local',
    onIsolation: 'keep',
    ...change,
  };
}

export function assignmentOf(
  tenant: string,
  replica = 0,
  change: Partial<ContractRole> = {},
  revision = 1,
): Assignment {
  const role = roleOf(change);
  const contract = `contract:${tenant}` as ContractId;
  const id = `${contract}/${role.name}/${replica}` as WorkloadId;
  return {
    ...{ id, key: shortIdOf(id), revision, contract, tenant: `bot:${tenant}` as BotId },
    ...{ role, replica, addresses: [], secrets: new Map(), isElevated: false },
  };
}

export function running(assignment: Assignment): Wish {
  return { is: 'running', assignment };
}

interface Fixture extends AsyncDisposable {
  readonly machine: PaperMachine;
  /** Ends of runs as they were noted: how many calls there were, and what was told last. */
  readonly ends: { id: WorkloadId; calls: number; phase: string | undefined }[];
  readonly driver: PaperDriver;
  readonly state: NodeState;
  readonly reconciler: Reconciler;
  /** The agent is killed and starts again over the same machine and folder. */
  restart(): Promise<void>;
  phase(assignment: Assignment): string | undefined;
}

/** A node over a machine on paper, with volumes alone. */
export async function openFixture(): Promise<Fixture> {
  const folder = await tempFolder('node');
  const machine = new PaperMachine();
  const ends: Fixture['ends'] = [];
  const open = () => {
    const driver = new PaperDriver(machine);
    const state = NodeState.open(folder.path);
    const drivers = new Map([['volume' as const, driver]]);
    const onEnded = async (id: WorkloadId): Promise<void> => {
      ends.push({ id, calls: machine.calls.length, phase: state.workload(id)?.phase });
    };
    return { driver, state, reconciler: new Reconciler({ state, drivers, capacity, onEnded }) };
  };
  let parts = open();
  const close = async () => {
    await parts.reconciler.close();
    parts.state.close();
  };
  return {
    ...{ machine, ends },
    get driver() {
      return parts.driver;
    },
    get state() {
      return parts.state;
    },
    get reconciler() {
      return parts.reconciler;
    },
    restart: async () => {
      await close();
      parts = open();
    },
    phase: ({ id }) => parts.state.workload(id)?.phase,
    [Symbol.asyncDispose]: async () => {
      await close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
