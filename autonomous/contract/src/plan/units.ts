import type { ContractRole, PlacementItem, Resources } from '@commongrid/model';

/** Replicas that go on one node together, because one uses the volumes of another; many that are alike. */
export interface UnitKind {
  readonly roles: readonly ContractRole[];
  /** Numbers of the replicas: each unit has that one of each of its roles. */
  readonly replicas: readonly number[];
  /** What one unit takes. */
  readonly need: Resources;
  /** What a node must be able to do. */
  readonly features: readonly string[];
}

/** Names a replica of a role within its contract, as the end of the workload's id does. */
export function slotKey({ role, replica }: Pick<PlacementItem, 'role' | 'replica'>): string {
  return `${role}/${replica}`;
}

/** The feature of a node that a kind of workload needs: docs/formats/records.md. */
const featureOf = { container: 'containers', volume: 'volumes', zdb: 'zdb', gateway: 'gateway' };

/** Replicas of a contract that go on one node together. */
export interface Unit {
  /** Its first replica, by `slotKey`. */
  readonly key: string;
  readonly roles: readonly ContractRole[];
  readonly replica: number;
  /** All of its replicas, by `slotKey`. */
  readonly slots: readonly string[];
}

/** All units of a contract, one by one. */
export function unitsOf(roles: readonly ContractRole[]): readonly Unit[] {
  return unitKinds(roles).flatMap(({ roles: own, replicas }) =>
    replicas.map((replica) => {
      const slots = own.map(({ name }) => slotKey({ role: name, replica }));
      return { key: slots[0] ?? '', roles: own, replica, slots };
    }),
  );
}

/** A contract as units: of roles that share volumes the replicas with one number are one unit. */
export function unitKinds(roles: readonly ContractRole[]): readonly UnitKind[] {
  const kinds = new Map<string, { roles: readonly ContractRole[]; replicas: number[] }>();
  for (const group of groupsOf(roles)) {
    const most = Math.max(...group.map(({ replicas }) => replicas));
    for (let replica = 0; replica < most; replica++) {
      const own = group.filter(({ replicas }) => replica < replicas);
      const key = own.map(({ name }) => name).join();
      const kind = kinds.get(key) ?? { roles: own, replicas: [] };
      kind.replicas.push(replica);
      kinds.set(key, kind);
    }
  }
  return [...kinds.values()].map(({ roles: own, replicas }) => {
    const features = new Set(own.map(({ workload }) => featureOf[workload.kind]));
    return { roles: own, replicas, need: sumOf(own), features: [...features].toSorted() };
  });
}

/** Roles that are tied to each other by volumes, be it through others. */
function groupsOf(roles: readonly ContractRole[]): readonly (readonly ContractRole[])[] {
  const groupOf = new Map(roles.map(({ name }) => [name, name]));
  for (const { name, workload } of roles) {
    const used = [
      ...(workload.container?.volumes ?? []).map(({ role }) => role),
      ...(workload.volume?.cloneOf === undefined ? [] : [workload.volume.cloneOf]),
    ];
    for (const other of used) {
      const [from, to] = [groupOf.get(other), groupOf.get(name) ?? name];
      for (const [role, group] of groupOf) if (group === from) groupOf.set(role, to);
    }
  }
  return [...Map.groupBy(roles, ({ name }) => groupOf.get(name)).values()];
}

function sumOf(roles: readonly ContractRole[]): Resources {
  const sum = (name: keyof Resources): number =>
    roles.reduce((total, { resources }) => total + resources[name], 0);
  return {
    cpuMilli: sum('cpuMilli'),
    memoryBytes: sum('memoryBytes'),
    ssdBytes: sum('ssdBytes'),
    hddBytes: sum('hddBytes'),
    ipv4: sum('ipv4'),
  };
}
