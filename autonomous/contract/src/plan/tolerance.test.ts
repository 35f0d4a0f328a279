import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';
import type { ContractRole } from '@commongrid/model';
import type { ShardCode } from '../definition/read-role.ts';
import { dataTolerance, tolerancesOf, wholeTolerance } from './tolerance.ts';
import type { ReplicaPlace, RoleTolerance } from './tolerance.ts';

type Role = Pick<ContractRole, 'name' | 'data' | 'replicas'>;
type Places = Readonly<Record<string, readonly ReplicaPlace[]>>;
type Codes = ReadonlyMap<string, ShardCode>;

const code = (dataShards: number, parityShards: number): ShardCode => ({
  ...{ dataShards, parityShards },
});

/** Node n of farm n / 2, of owner n / 4, in country n / 3. */
function placeAt(n: number): ReplicaPlace {
  const [farm, owner, country] = [2, 4, 3].map((each) => String(Math.floor(n / each)));
  return { node: String(n), farm: farm ?? '', owner: owner ?? '', country: country ?? '' };
}

function told(roles: readonly Role[], places: Places, shards: Codes): readonly RoleTolerance[] {
  return tolerancesOf(roles, (name) => places[name] ?? [], shards);
}

/** Whether all roles go on without some places; of shards each chunk may be on any k + m of a store. */
function goesOn(
  roles: readonly Role[],
  places: Places,
  shards: Codes,
  isLost: (at: ReplicaPlace) => boolean,
): boolean {
  const lostOf = ({ name }: Role): number => (places[name] ?? []).filter(isLost).length;
  const stored = roles.filter(({ name }) => shards.has(name));
  const shardsLost = stored.reduce((sum, role) => sum + lostOf(role), 0);
  const parity = Math.min(...[...shards.values()].map(({ parityShards }) => parityShards));
  return roles.every((role) => {
    if (role.data === 'local') return lostOf(role) === 0;
    if (role.data === 'none') return lostOf(role) < role.replicas;
    return shardsLost <= parity;
  });
}

function* subsets<T>(all: readonly T[], size: number, from = 0): Generator<readonly T[]> {
  if (size === 0) yield [];
  for (let at = from; size > 0 && at < all.length; at++) {
    for (const rest of subsets(all, size - 1, at + 1)) yield [all[at] as T, ...rest];
  }
}

/** The most places of which all sets are borne, by trying all of them. */
function tried(
  roles: readonly Role[],
  places: Places,
  shards: Codes,
  what: keyof ReplicaPlace,
): number {
  const all = [...new Set(Object.values(places).flatMap((own) => own.map((one) => one[what])))];
  const isBorne = (size: number): boolean =>
    [...subsets(all, size)].every((lost) =>
      goesOn(roles, places, shards, (at) => lost.includes(at[what])),
    );
  let size = 0;
  while (size < all.length && isBorne(size + 1)) size++;
  return size;
}

const kindsOfRole = ['none', 'local', 'dispersed'] as const;
const someRoles = fc.array(
  fc.record({
    data: fc.constantFrom(...kindsOfRole),
    at: fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 3, maxLength: 7 }),
    parity: fc.integer({ min: 1, max: 2 }),
  }),
  { minLength: 1, maxLength: 3 },
);

test('what is counted of a contract is what comes out when all losses are tried', () => {
  fc.assert(
    fc.property(someRoles, (given) => {
      const roles = given.map(({ data, at }, n) => ({
        ...{ name: `role-${n}`, data, replicas: at.length },
      }));
      const places = Object.fromEntries(given.map(({ at }, n) => [`role-${n}`, at.map(placeAt)]));
      const shards = new Map(
        given.flatMap(({ data, parity }, n) =>
          data === 'dispersed' ? [[`role-${n}`, code(1, parity)] as const] : [],
        ),
      );
      const whole = wholeTolerance(told(roles, places, shards));
      for (const [counted, what] of [
        [whole?.nodes, 'node'],
        [whole?.farms, 'farm'],
        [whole?.owners, 'owner'],
        [whole?.countries, 'country'],
      ] as const) {
        assert.equal(counted, tried(roles, places, shards, what), what);
      }
    }),
    { numRuns: 300 },
  );
});

test('more replicas than shards bear no more than the parity, and one farm may have shards of two roles', () => {
  const shard = { name: 'shard', data: 'dispersed', replicas: 22 } as const;
  const apart = Array.from({ length: 22 }, (_, n) => ({ ...placeAt(n), farm: String(n) }));
  const codes = new Map([['shard', code(16, 4)]]);
  const [one] = told([shard], { shard: apart }, codes);
  assert.deepEqual([one?.needed, one?.nodes, one?.farms], [18, 4, 4]);
  // Two of each role in every farm: a farm has four shards of the store.
  const half = Array.from({ length: 20 }, (_, n) => placeAt(n));
  const both = ['left', 'right'].map((name) => ({ ...shard, name, replicas: 20 }));
  const two = told(
    both,
    { left: half, right: half },
    new Map([
      ['left', code(16, 4)],
      ['right', code(17, 3)],
    ]),
  );
  assert.deepEqual(
    two.map(({ needed, replicas, beside, nodes, farms }) => [
      needed,
      replicas,
      beside,
      nodes,
      farms,
    ]),
    [
      [37, 40, ['right'], 1, 0],
      [37, 40, ['left'], 1, 0],
    ],
  );
});

test('the log and the keys of a store need a majority of their members, others are not known', () => {
  const roles = [
    { name: 'shard', data: 'dispersed', replicas: 6 },
    { name: 'log', data: 'dispersed', replicas: 3 },
    { name: 'keys', data: 'dispersed', replicas: 9 },
  ] as const;
  const places = Object.fromEntries(
    roles.map(({ name, replicas }) => [
      name,
      Array.from({ length: replicas }, (_, n) => placeAt(n)),
    ]),
  );
  const all = told(roles, places, new Map([['shard', code(4, 2)]]));
  assert.deepEqual(
    all.map(({ needed, nodes }) => [needed, nodes]),
    [
      [4, 2],
      [2, 1],
      [7, 2],
    ],
  );
  assert.deepEqual(wholeTolerance(all)?.nodes, 1);
  const alone = told(roles.slice(1), places, new Map());
  assert.deepEqual(
    alone.map(({ needed, nodes }) => [needed, nodes]),
    [
      [undefined, 0],
      [undefined, 0],
    ],
  );
  assert.equal(wholeTolerance(alone), undefined);
});

test('data bears what the roles that have some do, whatever the others bear', () => {
  const roles = [
    { name: 'shard', data: 'dispersed', replicas: 6 },
    { name: 'log', data: 'dispersed', replicas: 5 },
    { name: 'page', data: 'none', replicas: 1 },
  ] as const;
  const apart = Array.from({ length: 6 }, (_, n) => ({ ...placeAt(n), farm: String(n) }));
  const places = { shard: apart, log: apart.slice(0, 5), page: apart.slice(0, 1) };
  const all = told(roles, places, new Map([['shard', code(4, 2)]]));
  assert.deepEqual([wholeTolerance(all)?.nodes, wholeTolerance(all)?.farms], [0, 0]);
  assert.deepEqual([dataTolerance(all)?.nodes, dataTolerance(all)?.farms], [2, 2]);
  assert.equal(dataTolerance(all.slice(2)), undefined);
  assert.equal(dataTolerance(told(roles.slice(1), places, new Map())), undefined);
});
