import type { Contract, ContractRole, FarmId, NodeId } from '@commongrid/model';
import type { Directory } from '../directory/directory.ts';
import { nodeResources } from '../directory/directory.ts';
import type { Choice, KeptReplica, Problem } from './problem.ts';
import type { Screening } from './screening.ts';
import { priceFor } from './unit-price.ts';
import type { UnitKind } from './units.ts';

export interface ProblemInput {
  readonly header: Pick<Contract, 'owner' | 'budget'>;
  readonly roles: readonly ContractRole[];
  readonly directory: Directory;
}

/** A replica and where it would run. */
export interface PlannedReplica {
  readonly role: string;
  readonly replica: number;
  readonly node: NodeId;
  readonly farm: FarmId;
  /** A month, smallest units of the budget's currency. */
  readonly perMonth: bigint;
}

/** Where units of a contract can go, as numbers. */
export function problemOf(
  { header, roles, directory: { nodes, farms } }: ProblemInput,
  kinds: readonly UnitKind[],
  screenings: readonly Screening[],
  kept: readonly KeptReplica[] = [],
): Problem {
  const listed = [...farms.values()];
  const farmIndex = new Map<FarmId, number>(listed.map(({ id }, at) => [id, at]));
  const owners = [...new Set(listed.map(({ owner }) => owner))];
  const countries = [...new Set(listed.map(({ country }) => country))];
  return {
    kinds: kinds.map(({ roles: own, replicas, need }, kind) => ({
      count: replicas.length,
      need: nodeResources.map((name) => need[name]),
      addresses: need.ipv4,
      roles: own.map((role) => roles.indexOf(role)),
      costs: listed.map((farm) => priceFor(own, farm, header)),
      suits: screenings[kind]?.suits ?? [],
    })),
    roles: roles.map(({ spread: { distinctNodes, perFarm, perOwner, perCountry } }) => ({
      perNode: distinctNodes ? 1 : Infinity,
      perFarm: perFarm ?? Infinity,
      perOwner: perOwner ?? Infinity,
      perCountry: perCountry ?? Infinity,
    })),
    nodes: nodes.map(({ farm, free }) => ({
      farm: farmIndex.get(farm) ?? -1,
      free: nodeResources.map((name) => free[name]),
    })),
    farms: listed.map(({ owner, country, freeIpv4 }) => ({
      owner: owners.indexOf(owner),
      country: countries.indexOf(country),
      freeAddresses: freeIpv4,
    })),
    kept,
  };
}

/** A choice as replicas on nodes, by role and number. */
export function itemsOf(
  { header, directory: { nodes, farms } }: ProblemInput,
  kinds: readonly UnitKind[],
  choice: Choice,
): readonly PlannedReplica[] {
  const items: PlannedReplica[] = [];
  for (const [kind, { roles, replicas }] of kinds.entries()) {
    for (const [unit, replica] of replicas.entries()) {
      const node = nodes[choice[kind]?.[unit] ?? -1];
      const farm = farms.get(node?.farm ?? ('' as FarmId));
      if (node === undefined || farm === undefined) throw new Error('a choice names no node');
      for (const role of roles) {
        const perMonth = priceFor([role], farm, header) ?? 0n;
        items.push({ role: role.name, replica, node: node.id, farm: farm.id, perMonth });
      }
    }
  }
  return items.toSorted(
    (a, b) => (a.role < b.role ? -1 : 1) * Number(a.role !== b.role) || a.replica - b.replica,
  );
}
