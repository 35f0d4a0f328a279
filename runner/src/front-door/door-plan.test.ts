import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ContractId } from '@commongrid/model';

import { doorsMax, formerPlaces, planDoors } from './door-plan.ts';
import type { Endpoint } from './endpoint.ts';

const first = 'contract:first' as ContractId;
const second = 'contract:second' as ContractId;

function endpoint(change: Partial<Endpoint> = {}): Endpoint {
  return {
    ...{ contract: first, lineage: first, generation: 0, name: 'page', role: 'web', port: 'http' },
    ...{ publish: 8080, kind: 'tcp', isLeaving: false },
    replicas: [{ replica: 0, address: '192.0.2.1:8080', isReady: true }],
    ...change,
  };
}

test('contracts that replace each other share a door, which is that of the newest', () => {
  const next = endpoint({
    ...{ contract: second, generation: 1, name: 'page 2', publish: 8081 },
    replicas: [{ replica: 0, address: '192.0.2.2:8081', isReady: false }],
  });
  const [door, ...others] = planDoors([endpoint(), next, endpoint()], new Map());
  assert.deepEqual(others, []);
  assert.equal(door?.endpoint.name, 'page 2');
  assert.deepEqual(
    door?.targets.map(({ address, contract, isReady }) => [address, contract, isReady]),
    [
      ['192.0.2.2:8081', second, false],
      ['192.0.2.1:8080', first, true],
    ],
  );
  assert.equal(planDoors([endpoint(), endpoint({ role: 'api' })], new Map()).length, 2);
});

test('a replica that leaves a node that drains is reached there until it is ready elsewhere', () => {
  const moved = (isReady: boolean, isLeaving = true): readonly Endpoint[] => {
    return [
      endpoint({ isLeaving, replicas: [{ replica: 0, address: '192.0.2.9:8080', isReady }] }),
    ];
  };
  const places = formerPlaces([endpoint()], moved(false), new Map(), 0);
  const addresses = (now: readonly Endpoint[], known = places): readonly string[] => {
    const [door] = planDoors(now, known);
    return (door?.targets ?? []).map(({ address, isFormer }) => `${address} ${isFormer}`);
  };
  assert.deepEqual(addresses(moved(false)), ['192.0.2.9:8080 false', '192.0.2.1:8080 true']);
  // It is remembered while more is said of it, for as long as the node goes on with it.
  const later = formerPlaces(moved(false), moved(false), places, 299_999);
  assert.deepEqual([...later], [...places]);
  assert.equal(formerPlaces(moved(false), moved(false), places, 300_000).size, 0);
  assert.equal(formerPlaces(moved(false), moved(true), places, 1).size, 0);
  // What is lost is not where it was.
  assert.equal(formerPlaces([endpoint()], moved(false, false), new Map(), 0).size, 0);
});

test('endpoints beyond as many doors as there may be have none', () => {
  const many = Array.from({ length: doorsMax + 1 }, (_, at) => endpoint({ role: `web-${at}` }));
  const keys = planDoors(many, new Map()).map(({ key }) => key);
  assert.equal(keys.length, doorsMax);
  assert.equal(keys.includes(`${first}/web-${doorsMax}/http`), false);
});
