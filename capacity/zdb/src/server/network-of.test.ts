import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf } from './network-of.ts';

test('network of a peer is its address, or the half of it that is given to a customer', () => {
  const networks: Record<string, string> = {
    '10.1.2.3:4000': '10.1.2.3',
    '::ffff:10.1.2.3:4000': '10.1.2.3',
    '2001:db8:1:2:3:4:5:6:4000': '2001:db8:1:2',
    '2001:db8:1:2::9:4000': '2001:db8:1:2',
    '2001:db8::1:4000': '2001:db8:0:0',
    '::1:4000': '0:0:0:0',
    'fe80::1:2:3:4%eth0:4000': 'fe80:0:0:0',
    local: 'local',
  };
  for (const [remote, network] of Object.entries(networks)) {
    assert.equal(networkOf(remote), network, remote);
  }
});
