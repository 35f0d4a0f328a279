import { isGridError, parseBytes } from '@commongrid/base';
import { parseRole } from '@commongrid/model';
import type { ContractRole } from '@commongrid/model';
import { definitionFault, membersOf, pathIn, textOf, wholeOf } from './fault.ts';
import type { Members } from './fault.ts';

/** A role with everything that its author left out. */
export interface ReadRole {
  readonly role: ContractRole;
  /** Name in a hub of its image, whose digest is still to be looked up: `role` has zeros for it. */
  readonly image: string | undefined;
  /** What its replicas are, where its author says so. */
  readonly shards: ShardCode | undefined;
}

/** Any `dataShards` of all shards give the data back. */
export interface ShardCode {
  readonly dataShards: number;
  readonly parityShards: number;
}

const roleMembers = [
  ...['name', 'container', 'volume', 'zdb', 'replicas', 'cpu', 'memory', 'ipv4', 'networks'],
  ...['health', 'restart', 'after', 'spread', 'data', 'onIsolation', 'shards'],
];
const kinds = ['container', 'volume', 'zdb'] as const;
const rootBytesDefault = '256MiB';
const digestUnknown = '0'.repeat(64);

/** @param path where it is: `/roles/0` @throws CONTRACT_DEFINITION_INVALID */
export function readRole(value: unknown, path: string): ReadRole {
  const given = membersOf(value, path, roleMembers);
  const name = textOf(given['name'], `${path}/name`);
  const own = kinds.filter((kind) => given[kind] !== undefined);
  const [kind] = own;
  if (kind === undefined || own.length > 1) {
    throw definitionFault(path, 'a role is a container, a volume or a zdb, just one of them');
  }
  const { image, ...workload } = readWorkload(kind, given[kind], `${path}/${kind}`);
  const shards = readShards(given['shards'], `${path}/shards`);
  const { networks = [], after = [], data = kind === 'container' ? 'none' : 'local' } = given;
  const role = {
    ...{ name, networks, after, data },
    replicas: replicasOf(given['replicas'], shards, path),
    workload: { kind, [kind]: workload },
    resources: {
      cpuMilli: milliOf(given['cpu'], `${path}/cpu`),
      memoryBytes: bytesOf(given['memory'] ?? 0, `${path}/memory`),
      ssdBytes: diskBytes(workload, 'ssd') + logBytes(workload),
      hddBytes: diskBytes(workload, 'hdd'),
      ipv4: given['ipv4'] ?? 0,
    },
    ...(given['health'] === undefined ? {} : { health: readHealth(given['health'], path) }),
    restart: {
      ...{ policy: 'always', delayMs: 1_000, delayMaxMs: 300_000 },
      ...membersOf(given['restart'] ?? {}, `${path}/restart`, [
        ...['policy', 'delayMs', 'delayMaxMs'],
      ]),
    },
    spread: {
      distinctNodes: false,
      ...membersOf(given['spread'] ?? {}, `${path}/spread`, [
        ...['perOwner', 'perFarm', 'perCountry', 'distinctNodes'],
      ]),
    },
    onIsolation: given['onIsolation'] ?? 'keep',
  };
  if (shards !== undefined && data !== 'dispersed') {
    throw definitionFault(`${path}/shards`, "only with data: 'dispersed' are replicas shards");
  }
  return { role: checked(role, kind, path), image, shards };
}

/** The workload as the model has it, and the name of its image. */
function readWorkload(
  kind: (typeof kinds)[number],
  value: unknown,
  path: string,
): Members & { readonly image: string | undefined } {
  if (typeof value !== 'object' || value === null) throw definitionFault(path, 'it is no object');
  const { image, ...given } = value as Members;
  if (image !== undefined && (kind !== 'container' || given['flist'] !== undefined)) {
    throw definitionFault(`${path}/image`, 'a container has an image or an flist, not both');
  }
  if (kind === 'container') {
    const { rootBytes = rootBytesDefault, stop = {}, isReadOnly = false, ...rest } = given;
    return {
      ...{ env: [], secretEnv: [], exec: 'any', pids: 1_024, volumes: [], files: [] },
      ...{ ports: [], logs: [] },
      ...rest,
      isReadOnly,
      ...(image === undefined ? {} : { flist: digestUnknown }),
      rootBytes: isReadOnly === true ? 0 : bytesOf(rootBytes, `${path}/rootBytes`),
      stop: { signal: 'SIGTERM', graceSeconds: 10, ...(stop as Members) },
      image: image === undefined ? undefined : textOf(image, `${path}/image`),
    };
  }
  const { size, sizeBytes: exact, ...rest } = given;
  if (size !== undefined && exact !== undefined) {
    throw definitionFault(`${path}/sizeBytes`, 'give size or sizeBytes, not both');
  }
  const defaults = kind === 'zdb' ? { mode: 'user', isPublic: false } : {};
  const sizeBytes = bytesOf(size ?? exact, `${path}/size`);
  return { disk: 'ssd', ...defaults, ...rest, sizeBytes, image: undefined };
}

function readHealth(value: unknown, path: string): Members {
  const health = membersOf(value, `${path}/health`, [
    ...['probe', 'port', 'path', 'command'],
    ...['everySeconds', 'timeoutSeconds', 'failures', 'startSeconds'],
  ]);
  return { everySeconds: 10, timeoutSeconds: 5, failures: 3, startSeconds: 30, ...health };
}

/** @throws CONTRACT_DEFINITION_INVALID */
function readShards(value: unknown, path: string): ShardCode | undefined {
  if (value === undefined) return undefined;
  const [, data = '', parity = ''] =
    /^(\d{1,3})\+(\d{1,3})$/.exec(typeof value === 'string' ? value : '') ?? [];
  const [dataShards, parityShards] = [Number(data), Number(parity)];
  if (dataShards >= 1 && parityShards >= 1 && dataShards + parityShards <= 255) {
    return { dataShards, parityShards };
  }
  throw definitionFault(path, 'give data and parity shards such as 16+4, 255 in all at most');
}

function replicasOf(value: unknown, shards: ShardCode | undefined, path: string): number {
  const all = shards && shards.dataShards + shards.parityShards;
  const replicas = wholeOf(value ?? all ?? 1, `${path}/replicas`, 1, 10_000);
  if (all === undefined || replicas >= all) return replicas;
  throw definitionFault(`${path}/replicas`, `${all} shards need as many replicas, not ${replicas}`);
}

function milliOf(value: unknown, path: string): number {
  const milli = Number(value ?? 0) * 1000;
  if (typeof (value ?? 0) === 'number' && milli >= 0 && milli <= cpuMilliMax) {
    return Math.round(milli);
  }
  throw definitionFault(path, 'give a number of cores such as 0.5');
}

/** Of a replica, thousandths of a core. */
const cpuMilliMax = 1e9;

function bytesOf(value: unknown, path: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  try {
    if (typeof value === 'string') return parseBytes(value);
  } catch (error) {
    if (!isGridError(error, 'BASE_SIZE_INVALID')) throw error;
  }
  throw definitionFault(path, 'give a size such as 64MiB');
}

function diskBytes(workload: Members, disk: 'ssd' | 'hdd'): number {
  const { rootBytes, sizeBytes, disk: wanted = 'ssd' } = workload;
  return wanted === disk ? Number(rootBytes ?? sizeBytes) : 0;
}

/** What is kept of a log is on the disk of the node, too. */
function logBytes({ logs }: Members): number {
  if (!Array.isArray(logs)) return 0;
  return logs.reduce((sum: number, one: unknown) => {
    const { sizeBytes = 0 } = Object(one) as Members;
    return sum + (typeof sizeBytes === 'number' ? sizeBytes : 0);
  }, 0);
}

/** Holds a role to the type of its record; a fault is told where its author wrote it. */
function checked(role: unknown, kind: string, path: string): ContractRole {
  try {
    return parseRole(role);
  } catch (error) {
    if (!isGridError(error, 'MODEL_RECORD_INVALID')) throw error;
    const place = pathIn(error)
      .replace(`/workload/${kind}`, `/${kind}`)
      .replace('/resources/ipv4', '/ipv4');
    const why = error.message.replace(/^no role: \S* ?/, '');
    // What members that are not named have as their schema.
    throw definitionFault(`${path}${place}`, why === 'schema is false' ? 'is not known' : why);
  }
}
