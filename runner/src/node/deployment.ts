import { readFile } from 'node:fs/promises';

import { errorCode, GridError, isGridError, parseBytes, systemRandom } from '@commongrid/base';
import { draftContract, parseDeploymentFile, parseRole } from '@commongrid/model';
import type {
  BotId,
  ContractDraft,
  ContractRole,
  DeploymentFile,
  KeyText,
  RoleFile,
} from '@commongrid/model';
import { checkRole } from '@commongrid/node';

import type { GridErrorCode } from '../errors.ts';

export interface DeploymentParties {
  readonly log: string;
  readonly owner: BotId;
  /** Places and signs for the owner. */
  readonly controller: KeyText;
  /** Log time, ms since 1970. */
  readonly at: number;
  /** Digest of an image that a file names by its name in a hub. */
  readonly resolveImage: (name: string) => Promise<string>;
}

/** @throws GRID_FILE_UNREADABLE, GRID_DEPLOYMENT_INVALID with the place */
export async function readDeployment(path: string): Promise<DeploymentFile> {
  const value = await readJson(path);
  try {
    return parseDeploymentFile(value);
  } catch (error) {
    if (!isGridError(error)) throw error;
    const { path: place } = error.details;
    throw invalid(error.message, typeof place === 'string' ? place : '');
  }
}

/** @throws GRID_FILE_UNREADABLE */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const why = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${path}: ${why}`, {
      details: { path },
      cause: error,
    });
  }
}

/** Makes a contract of what people wrote. @throws GRID_DEPLOYMENT_INVALID with the place */
export async function makeDeployment(
  file: DeploymentFile,
  parties: DeploymentParties,
): Promise<ContractDraft> {
  const { log, owner, controller, at } = parties;
  const secrets = await readSecrets(file.secrets ?? {});
  return draftContract({
    ...{ log, name: file.name, owner, controller, secrets },
    roles: await Promise.all(file.roles.map((role) => roleOf(role, parties, secrets))),
    term: {
      fromMs: at - clockToleranceMs,
      untilMs: at + (file.days ?? 365) * dayMs,
      graceMs: 14 * dayMs,
    },
    draw: (count) => systemRandom.bytes(count),
  });
}

const dayMs = 86_400_000;
/** Log time may be behind the clock of whoever writes this. */
const clockToleranceMs = 60_000;

async function roleOf(
  { name, container, volume, zdb, cpu = 0, memory = '0', ...rest }: RoleFile,
  { resolveImage }: DeploymentParties,
  secrets: ReadonlyMap<string, string>,
): Promise<ContractRole> {
  const workload = { container, volume, zdb };
  const kinds = Object.entries(workload).filter(([, value]) => value !== undefined);
  const [kind] = kinds[0] ?? [];
  if (kinds.length !== 1 || kind === undefined) {
    throw invalid(`role ${name} is a container, a volume or a zdb, just one of them`);
  }
  const filled =
    kind === 'container' ? await filledContainer(container ?? {}, resolveImage) : undefined;
  const made = {
    ...(filled === undefined ? {} : { container: filled }),
    ...(volume === undefined ? {} : { volume: sized({ disk: 'ssd', ...volume }) }),
    ...(zdb === undefined
      ? {}
      : { zdb: sized({ disk: 'ssd', mode: 'user', isPublic: false, ...zdb }) }),
  };
  const role = {
    ...{
      name,
      replicas: 1,
      networks: [],
      after: [],
      data: kind === 'container' ? 'none' : 'local',
    },
    ...{ spread: { distinctNodes: false }, onIsolation: 'keep' },
    restart: { policy: 'always', delayMs: 1_000, delayMaxMs: 300_000 },
    ...rest,
    workload: { kind, ...made },
    resources: {
      cpuMilli: Math.round(cpu * 1000),
      memoryBytes: bytesOf(memory),
      ssdBytes: diskBytesOf(made, 'ssd') + logBytesOf(filled?.['logs']),
      hddBytes: diskBytesOf(made, 'hdd'),
      ipv4: 0,
    },
  };
  return checkedRole(role, name, secrets);
}

async function filledContainer(
  { image, flist, rootBytes = '256MiB', ...rest }: Readonly<Record<string, unknown>>,
  resolveImage: DeploymentParties['resolveImage'],
): Promise<Readonly<Record<string, unknown>>> {
  const isReadOnly = rest['isReadOnly'] === true;
  return {
    ...{ env: [], secretEnv: [], isReadOnly, exec: 'any', pids: 1_024, volumes: [], files: [] },
    ...{ ports: [], stop: { signal: 'SIGTERM', graceSeconds: 10 }, logs: [] },
    rootBytes: isReadOnly ? 0 : bytesOf(rootBytes),
    ...rest,
    flist: typeof image === 'string' ? await resolveImage(image) : flist,
  };
}

function sized({
  size,
  ...rest
}: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return size === undefined ? rest : { ...rest, sizeBytes: bytesOf(size) };
}

function diskBytesOf(
  workload: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  disk: 'ssd' | 'hdd',
): number {
  return Object.values(workload).reduce((sum, { rootBytes, sizeBytes, disk: wanted = 'ssd' }) => {
    return wanted === disk ? sum + Number(rootBytes ?? sizeBytes ?? 0) : sum;
  }, 0);
}

/** What is kept of a log is on the disk of the node, too. */
function logBytesOf(logs: unknown): number {
  if (!Array.isArray(logs)) return 0;
  return logs.reduce((sum: number, one: unknown) => {
    const { sizeBytes = 0 } = Object(one) as { readonly sizeBytes?: unknown };
    return sum + (typeof sizeBytes === 'number' ? sizeBytes : 0);
  }, 0);
}

function bytesOf(size: unknown): number {
  if (typeof size === 'number') return size;
  return parseBytes(String(size));
}

/** @throws GRID_DEPLOYMENT_INVALID */
function checkedRole(
  role: unknown,
  name: string,
  secrets: ReadonlyMap<string, string>,
): ContractRole {
  try {
    const parsed = parseRole(role);
    // A node would refuse it, too, but only once it is signed.
    checkRole({ role: parsed, secrets });
    return parsed;
  } catch (error) {
    if (!isGridError(error)) throw error;
    const { path } = error.details;
    throw invalid(`role ${name}: ${error.message}`, typeof path === 'string' ? path : '');
  }
}

async function readSecrets(
  secrets: NonNullable<DeploymentFile['secrets']>,
): Promise<ReadonlyMap<string, string>> {
  const all = Object.entries(secrets).map(async ([name, given]) => {
    const value =
      typeof given === 'string' ? given : (await readFile(given.file, 'utf8')).replace(/\n$/, '');
    return [name, value] as const;
  });
  return new Map(await Promise.all(all));
}

function invalid(why: string, path = ''): GridError<GridErrorCode> {
  return new GridError('GRID_DEPLOYMENT_INVALID', `the deployment cannot be used: ${why}`, {
    hint: 'grid deploy --schema shows what a deployment says',
    details: { path },
  });
}
