import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hostOfNode } from './node-host.ts';

test('the host of a node is its first address that is one of the network', () => {
  const zdb = 'zdbs://198.51.100.7:9902/ssd#aa';
  assert.equal(hostOfNode({ addresses: [zdb, 'ip://192.0.2.2', 'ip://[fd00::2]'] }), '192.0.2.2');
  assert.equal(hostOfNode({ addresses: ['ip://[fd00::2]'] }), '[fd00::2]');
  assert.equal(hostOfNode({ addresses: ['ip://fd00::2'] }), '[fd00::2]');
  assert.equal(hostOfNode({ addresses: [zdb] }), undefined);
  assert.equal(hostOfNode(undefined), undefined);
});
