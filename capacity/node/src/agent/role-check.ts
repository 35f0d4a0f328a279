import { posix } from 'node:path';

import { GridError } from '@commongrid/base';
import type { Container, ContractRole, Health } from '@commongrid/model';

import type { Assignment } from '../assignment.ts';
import type { NodeErrorCode } from '../errors.ts';
import { signalNumber } from '../sys/signals.ts';
import { volumeBytesMin } from '../volumes/volumes.ts';

/** Less memory runc itself does not start in. */
const memoryBytesMin = 4 * 2 ** 20;

/** What a container has of the kernel: whoever mounts over it changes what runc itself goes by. */
const kernelFolders = ['/dev', '/proc', '/sys'];

/**
 * Refuses what is a role by its form, and cannot be run, or not be held to what it says: better said
 * at once than by steps that fail for ever.
 * @throws NODE_ROLE_INVALID
 */
export function checkRole({ role, secrets }: Pick<Assignment, 'role' | 'secrets'>): void {
  const { name, workload, after, health, resources } = role;
  const { kind, container } = workload;
  const members = (['container', 'volume', 'zdb', 'gateway'] as const).filter(
    (member) => workload[member] !== undefined,
  );
  demand(members.length === 1 && members[0] === kind, `it is not just a ${kind}`);
  demand(!after.includes(name), 'it waits for itself');
  const { ssd, hdd } = disksOf(role);
  demand(ssd <= resources.ssdBytes, `it needs ${ssd} ssdBytes, and asks for fewer`);
  demand(hdd <= resources.hddBytes, `it needs ${hdd} hddBytes, and asks for fewer`);
  if (workload.volume !== undefined) {
    const { sizeBytes, cloneOf } = workload.volume;
    demand(sizeBytes >= volumeBytesMin, `a volume has ${volumeBytesMin} bytes at least`);
    demand(cloneOf !== name, 'it is a copy of itself');
  }
  if (container === undefined) return;
  const { memoryBytes } = resources;
  // None is without limit for runc.
  demand(memoryBytes >= memoryBytesMin, `a container has ${memoryBytesMin} memoryBytes at least`);
  checkContainer(container);
  checkMounts(container);
  for (const { name: variable, secret } of container.secretEnv) {
    demand(!hasNul(secrets.get(secret) ?? ''), `variable ${variable} has a NUL`);
  }
  if (health !== undefined) checkHealth(health, container);
}

function checkContainer(container: Container): void {
  const { entrypoint = [], args = [], env, workingDir = '/', stop, logs, stats } = container;
  const { exec, isReadOnly, rootBytes, ports } = container;
  demand(exec === 'any' || isReadOnly, 'image-only needs isReadOnly');
  demand(
    isReadOnly || rootBytes >= volumeBytesMin,
    `what may be written over the image has ${volumeBytesMin} bytes at least`,
  );
  demand(signalNumber(stop.signal) !== undefined, `there is no signal ${stop.signal}`);
  demand(![...entrypoint, ...args].some(hasNul), 'its command has a NUL');
  demand(!env.some(({ value }) => hasNul(value)), 'a variable has a NUL');
  demand(isPlain(workingDir) && !isOfKernel(workingDir), 'its workingDir is no plain path');
  for (const { kind, to } of logs) {
    const isGood = kind === 'file' || schemeOf(to)?.startsWith(kind) === true;
    demand(isGood, `a ${kind} sink of its log has no such address`);
  }
  const isTold = stats === undefined || /^(?:redis|http)s?:$/.test(schemeOf(stats.to) ?? '');
  demand(isTold, 'its stats go to no address');
  demandUnique(
    ports.map(({ name }) => name),
    'two ports are called',
  );
  const published = ports.flatMap(({ protocol, publish }) =>
    publish === undefined ? [] : [`${protocol}/${publish}`],
  );
  demandUnique(published, 'it publishes twice');
}

function checkMounts({ volumes, files }: Container): void {
  const paths = [...volumes, ...files].map(({ path }) => path);
  for (const path of paths) {
    const shown = JSON.stringify(path.slice(0, 100));
    demand(path !== '/' && isPlain(path), `${shown} is no plain path of a file or folder`);
    demand(!isOfKernel(path), `${shown} belongs to the kernel`);
  }
  demandUnique(paths, 'it mounts twice at');
}

function checkHealth({ probe, port, command = [] }: Health, { ports }: Container): void {
  if (probe === 'exec') {
    demand(command.length > 0 && !command.some(hasNul), 'its probe has no command');
  } else if (probe !== 'process') {
    const isThere = ports.some(({ name, protocol }) => name === port && protocol === 'tcp');
    demand(isThere, 'its probe names no tcp port that it has');
  }
}

/** What it can fill, which is what it must have asked for: room is given by that alone. */
function disksOf({ workload: { container, volume, zdb } }: ContractRole): {
  readonly ssd: number;
  readonly hdd: number;
} {
  const sum = { ssd: 0, hdd: 0 };
  for (const { disk, sizeBytes } of [volume, zdb].filter((one) => one !== undefined)) {
    sum[disk] += sizeBytes;
  }
  if (container?.isReadOnly === false) sum.ssd += container.rootBytes;
  for (const { kind, sizeBytes = 0 } of container?.logs ?? []) {
    if (kind === 'file') sum.ssd += sizeBytes;
  }
  return sum;
}

function schemeOf(address = ''): string | undefined {
  return URL.parse(address)?.protocol;
}

/** Not to be taken for another one that is spelt otherwise. */
function isPlain(path: string): boolean {
  return posix.resolve(path) === path;
}

function isOfKernel(path: string): boolean {
  return kernelFolders.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

function hasNul(text: string): boolean {
  return text.includes('\0');
}

function demandUnique(names: readonly string[], what: string): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  demand(twice === undefined, `${what} ${(twice ?? '').slice(0, 100)}`);
}

function demand(isGood: boolean, why: string): void {
  if (isGood) return;
  throw new GridError<NodeErrorCode>('NODE_ROLE_INVALID', `the role cannot be run: ${why}`, {
    hint: 'correct the role, and make a new contract of it',
  });
}
