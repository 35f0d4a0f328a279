import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf } from './network-of.ts';

test('network of a peer is its address, or the half of it that is given to a customer', () => {
  const networks: Record<string, string> = {
    '10.1.2.3': '10.1.2.3',
    '::ffff:10.1.2.3': '10.1.2.3',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2',
    '2001:db8:1:2::9': '2001:db8:1:2',
    '2001:db8::1': '2001:db8:0:0',
    '2001:DB8::1': '2001:db8:0:0',
    '::1': '0:0:0:0',
    'fe80::1:2:3:4%eth0': 'fe80:0:0:0',
    local: 'local',
    '/run/grid.sock': '/run/grid.sock',
    '': '',
  };
  for (const [address, network] of Object.entries(networks)) {
    assert.equal(networkOf(address), network, address);
  }
});
