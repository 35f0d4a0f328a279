import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parse } from '@commongrid/model';
import { examples } from '@commongrid/model/testing';
import { addressesWithDoors, zdbDoorIn } from './zdb-address.ts';

const fingerprint = 'AB:'.repeat(31) + 'AB';
const plain = 'ab'.repeat(32);
const ssd = { disk: 'ssd', host: '192.0.2.7', port: 9911, fingerprint } as const;
const hdd = { disk: 'hdd', host: '2001:db8::7', port: 65_535, fingerprint } as const;

test('the Zero-DBs of a node are found again among its addresses', () => {
  const addresses = addressesWithDoors(['ip://192.0.2.7'], [ssd, hdd]);
  assert.equal(addresses[0], 'ip://192.0.2.7');
  assert.deepEqual(zdbDoorIn(addresses, 'ssd'), { ...ssd, fingerprint: plain });
  assert.deepEqual(zdbDoorIn(addresses, 'hdd'), { ...hdd, fingerprint: plain });
  assert.equal(zdbDoorIn(['ip://192.0.2.7', 'zdbs://192.0.2.7:9911/ssd'], 'ssd'), undefined);
  assert.equal(zdbDoorIn([`zdbs://192.0.2.7:70000/ssd#${plain}`], 'ssd'), undefined);
});

test('the record of a node has room for its Zero-DBs, however many addresses the machine has', () => {
  const machine = Array.from({ length: 20 }, (_, at) => `ip://192.0.2.${at}`);
  const addresses = addressesWithDoors(machine, [ssd, hdd]);
  assert.equal(addresses.length, 16);
  assert.deepEqual(zdbDoorIn(addresses, 'hdd')?.port, hdd.port);
  parse('grid.node.1', { ...examples['grid.node.1'], addresses });
});
