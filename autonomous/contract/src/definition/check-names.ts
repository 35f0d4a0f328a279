import type { ContractRole } from '@commongrid/model';
import { definitionFault } from './fault.ts';

/** What the roles of a contract may name. */
export interface KnownNames {
  readonly secrets: ReadonlySet<string>;
  readonly networks: ReadonlySet<string>;
}

/**
 * Holds what roles name to what is there, and what they wait for to something that can come about.
 * @throws CONTRACT_DEFINITION_INVALID
 */
export function checkNames(roles: readonly ContractRole[], known: KnownNames): void {
  const byName = new Map<string, ContractRole>();
  for (const [index, role] of roles.entries()) {
    if (byName.has(role.name)) {
      throw definitionFault(`/roles/${index}/name`, `two roles are called ${role.name}`);
    }
    byName.set(role.name, role);
  }
  for (const [index, role] of roles.entries()) {
    const path = `/roles/${index}`;
    for (const [place, name, all, what] of namesOf(role)) {
      const there = all === 'roles' ? byName : known[all];
      if (!there.has(name)) throw definitionFault(`${path}${place}`, `there is no ${what} ${name}`);
    }
    checkVolumes(role, byName, path);
    checkProbe(role, path);
  }
  checkOrder(roles);
}

type Named = readonly [string, string, 'roles' | 'secrets' | 'networks', string];

/** Where a role names something, and what. */
function* namesOf({ networks, after, workload }: ContractRole): Generator<Named> {
  const { container, volume, zdb } = workload;
  for (const [at, name] of networks.entries()) {
    yield [`/networks/${at}`, name, 'networks', 'network'];
  }
  for (const [at, name] of after.entries()) yield [`/after/${at}`, name, 'roles', 'role'];
  if (volume?.cloneOf !== undefined) yield ['/volume/cloneOf', volume.cloneOf, 'roles', 'role'];
  if (zdb !== undefined) yield ['/zdb/password', zdb.password, 'secrets', 'secret'];
  for (const [at, { secret }] of (container?.secretEnv ?? []).entries()) {
    yield [`/container/secretEnv/${at}/secret`, secret, 'secrets', 'secret'];
  }
  for (const [at, { secret }] of (container?.files ?? []).entries()) {
    if (secret === undefined) continue;
    yield [`/container/files/${at}/secret`, secret, 'secrets', 'secret'];
  }
  for (const [at, { role }] of (container?.volumes ?? []).entries()) {
    yield [`/container/volumes/${at}/role`, role, 'roles', 'role'];
  }
}

/** What a container mounts is a volume that has a replica for each of its own. */
function checkVolumes(
  { replicas, workload: { container, volume } }: ContractRole,
  roles: ReadonlyMap<string, ContractRole>,
  path: string,
): void {
  const used = (container?.volumes ?? []).map(({ role }, at) => {
    return [role, `${path}/container/volumes/${at}/role`] as const;
  });
  const copied = volume?.cloneOf === undefined ? [] : [[volume.cloneOf, `${path}/volume/cloneOf`]];
  for (const [name = '', place = ''] of [...used, ...copied]) {
    const other = roles.get(name);
    if (other?.workload.volume === undefined) throw definitionFault(place, `${name} is no volume`);
    if (other.replicas >= replicas) continue;
    const why = `${name} has ${other.replicas} replicas, and ${replicas} are to use them`;
    throw definitionFault(place, why);
  }
}

function checkProbe({ health, workload: { container } }: ContractRole, path: string): void {
  if (health === undefined || health.probe === 'process') return;
  if (health.probe === 'exec') {
    if ((health.command ?? []).length > 0) return;
    throw definitionFault(`${path}/health/command`, 'a probe of this kind runs a command');
  }
  const isThere = container?.ports.some(({ name, protocol }) => {
    return name === health.port && protocol === 'tcp';
  });
  if (isThere === true) return;
  throw definitionFault(`${path}/health/port`, 'it names no tcp port of the role');
}

/** No role waits for itself, be it through others. */
function checkOrder(roles: readonly ContractRole[]): void {
  const waiting = new Map(roles.map((role) => [role.name, role.after]));
  const isSettled = new Set<string>();
  for (let before = -1; before !== isSettled.size;) {
    before = isSettled.size;
    for (const [name, after] of waiting) {
      if (after.every((one) => isSettled.has(one))) isSettled.add(name);
    }
  }
  const index = roles.findIndex(({ name }) => !isSettled.has(name));
  if (index === -1) return;
  throw definitionFault(`/roles/${index}/after`, 'these roles wait for each other');
}
