import { join } from 'node:path';

import { readTextIfThere } from '@commongrid/base';
import { contractStatus, openSecrets } from '@commongrid/contract';
import type { ContractPaper } from '@commongrid/contract';
import { placeOf, workloadIdOf } from '@commongrid/model';
import type {
  ContractId,
  FarmId,
  GridFold,
  Node,
  NodeId,
  WorkloadId,
  ZdbNamespace,
} from '@commongrid/model';

/** Names of roles whose namespaces keep the log of a store, and the keys of its buckets. */
const otherRoles = ['log', 'keys'] as const;
/** Former backends that an entry names, as many as a backends file takes: the newest. */
const replacedMax = 64;

/** A role of a contract whose replicas are namespaces of a store. */
export interface StoreRole {
  readonly name: string;
  readonly replicas: number;
  readonly disk: ZdbNamespace['disk'];
  /** Path of the file with what opens them, relative to that of the backends. */
  readonly passwordFile: string;
  /** Which field of an entry has the namespace. */
  readonly field: StoreField;
}

export type StoreField = 'namespace' | (typeof otherRoles)[number];

/** An entry of a backends file: docs/formats/zstor-backends.md. */
export interface BackendEntry {
  readonly address: string;
  readonly namespace?: string;
  readonly log?: string;
  readonly keys?: string;
  readonly passwordFile: string;
  readonly tlsFingerprint: string;
  readonly node: string;
  readonly farm: FarmId;
  readonly country: string;
  readonly replaces?: readonly string[];
}

/** Roles of a contract that are for a store: shards with a code, and dispersed ones named `log`, `keys`. */
export function storeRoles({ draft: { openings, shards } }: ContractPaper): readonly StoreRole[] {
  const all = openings.flatMap(({ role }): StoreRole[] => {
    const { name, replicas, data, workload } = role;
    const field = shards[name] === undefined ? otherField(name) : 'namespace';
    if (workload.zdb === undefined || data !== 'dispersed' || field === undefined) return [];
    const { disk, password } = workload.zdb;
    return [{ name, replicas, disk, field, passwordFile: fileOfSecret(password) }];
  });
  return all.some(({ field }) => field === 'namespace') ? all : [];
}

/** What namespaces of a role are for beside shards. */
export function otherField(role: string): StoreField | undefined {
  return otherRoles.find((name) => name === role);
}

export interface BackendsInput {
  readonly id: ContractId;
  readonly roles: readonly StoreRole[];
  readonly places: StorePlaces;
  /** The entries as they were written last. */
  readonly former: readonly BackendEntry[];
  /** Records of nodes, proven by the log. */
  readonly nodes: ReadonlyMap<NodeId, Node>;
  /** Where a farm is. */
  readonly countryOf: (farm: FarmId) => string;
  readonly tools: NamespaceTools;
}

/** What the log says of where namespaces are. */
export interface StorePlaces {
  /** The node where a workload is placed, once it says that it runs there. */
  readyAt(workload: WorkloadId): NodeId | undefined;
  /** Whether a tombstone took all places where it was before. */
  isBuried(workload: WorkloadId): boolean;
  /** Nodes where it was placed before, for whoever has not written down where it was. */
  formerAt?(workload: WorkloadId): readonly NodeId[];
}

/** The places of a contract as a fold has them. */
export function placesOf(fold: GridFold, id: ContractId): StorePlaces {
  const status = contractStatus(fold, id, { seq: Number.MAX_SAFE_INTEGER, at: 0 });
  const ready = new Map(
    (status?.workloads ?? []).flatMap((one) => (one.isReady ? [[one.id, one.node] as const] : [])),
  );
  return {
    readyAt: (workload) => ready.get(workload),
    isBuried: (workload) => {
      const place = placeOf(fold.workload(workload));
      const buried = fold.current('grid.tombstone.1', workload)?.revision ?? 0;
      return place !== undefined && buried >= place.from - 1;
    },
  };
}

/** On which node each namespace of these roles runs, in words that can be compared. */
export function whereReady(
  id: ContractId,
  roles: readonly StoreRole[],
  places: StorePlaces,
): string {
  const nodes = roles.flatMap(({ name, replicas }) => {
    const all = Array.from({ length: replicas }, (_, replica) => workloadIdOf(id, name, replica));
    return all.map((workload) => places.readyAt(workload) ?? '');
  });
  return nodes.join(' ');
}

/** What the package of the node knows of the names of its Zero-DBs. */
export interface NamespaceTools {
  readonly shortIdOf: (id: WorkloadId) => string;
  readonly zdbDoorIn: (
    addresses: readonly string[],
    disk: ZdbNamespace['disk'],
  ) => { readonly host: string; readonly port: number; readonly fingerprint: string } | undefined;
}

/**
 * The backends of a store as a contract is placed. A replica that is placed elsewhere stays where it was
 * until its node says that it runs; from then on its entry names the former backends, which do not come back.
 * These names go once a tombstone took the former places.
 */
export function storeBackends(input: BackendsInput): readonly BackendEntry[] {
  const { id, roles, places, former, tools } = input;
  return roles.flatMap((one) =>
    Array.from({ length: one.replicas }, (_, replica): BackendEntry[] => {
      const workload = workloadIdOf(id, one.name, replica);
      const before = former.find((entry) => entry[one.field] === tools.shortIdOf(workload));
      const node = places.readyAt(workload);
      const next = node && entryOf(input, one, workload, node);
      if (next === undefined) return before === undefined ? [] : [before];
      const formerNodes = places.formerAt?.(workload) ?? [];
      const formerOnes = formerNodes.flatMap((at) => entryOf(input, one, workload, at) ?? []);
      const known = before === undefined ? formerOnes : [...formerOnes, before];
      const replaces = replacedBy(input, workload, known, next);
      return [replaces.length === 0 ? next : { ...next, replaces }];
    }).flat(),
  );
}

function entryOf(
  { nodes, countryOf, tools }: BackendsInput,
  { disk, field, passwordFile }: StoreRole,
  workload: WorkloadId,
  id: NodeId,
): BackendEntry | undefined {
  const node = nodes.get(id);
  const door = node && tools.zdbDoorIn(node.addresses, disk);
  if (node === undefined || door === undefined) return undefined;
  const host = door.host.includes(':') ? `[${door.host}]` : door.host;
  return {
    ...{ address: `${host}:${door.port}`, [field]: tools.shortIdOf(workload) },
    ...{ passwordFile, tlsFingerprint: door.fingerprint },
    ...{ node: id, farm: node.farm },
    country: countryOf(node.farm),
  };
}

function replacedBy(
  { places }: BackendsInput,
  workload: WorkloadId,
  former: readonly BackendEntry[],
  next: BackendEntry,
): readonly string[] {
  const isOver = places.isBuried(workload);
  const earlier = former.flatMap(({ address, replaces = [] }) => {
    return isOver && address === next.address ? [] : replaces;
  });
  const names = new Set([...earlier, ...former.map(backendName)]);
  names.delete(backendName(next));
  return [...names].slice(-replacedMax);
}

/** Whether each replica of these roles has an entry where it is placed now. */
export function followsPlacement(
  fold: GridFold,
  {
    id,
    roles,
    entries,
    tools,
  }: Pick<BackendsInput, 'roles' | 'tools'> & {
    readonly id: ContractId;
    readonly entries: readonly BackendEntry[];
  },
): boolean {
  const nodes = new Map(entries.map((one) => [namespaceOf(one), one.node]));
  const names = new Set(roles.map(({ name }) => name));
  return (fold.current('grid.placement.1', id)?.items ?? []).every(({ role, replica, node }) => {
    if (!names.has(role)) return true;
    return nodes.get(tools.shortIdOf(workloadIdOf(id, role, replica))) === node;
  });
}

/** The entries of a backends file that follows a contract; none where there is no file. */
export async function readBackends(file: string): Promise<readonly BackendEntry[]> {
  const text = await readTextIfThere(file);
  return text === undefined ? [] : (JSON.parse(text) as readonly BackendEntry[]);
}

/** What a store calls the backend of an entry. */
export function backendName(entry: BackendEntry): string {
  return `${entry.address}/${namespaceOf(entry)}`;
}

export function namespaceOf({ namespace, log, keys }: BackendEntry): string {
  return namespace ?? log ?? keys ?? '';
}

/** Passwords of the namespaces, by the names of their files; those that are not at hand are left out. */
export async function storePasswords(
  paper: ContractPaper,
  roles: readonly StoreRole[],
): Promise<ReadonlyMap<string, string>> {
  const { header, openings } = paper.draft;
  const names = new Set(roles.map(({ name }) => name));
  const own = openings.flatMap(({ role }) => (names.has(role.name) ? [role] : []));
  const { found } = await openSecrets(header, own, paper);
  return new Map([...found].map(([name, { value }]) => [fileOfSecret(name), value]));
}

function fileOfSecret(secret: string): string {
  return join('passwords', secret);
}
