import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from './address.ts';

test('address of a peer leaves out what it may choose itself', () => {
  const cases = [
    ['127.0.0.1:4000', '127.0.0.1'],
    ['::ffff:10.0.0.7:4000', '10.0.0.7'],
    ['2001:db8:1:2:3:4:5:6:4000', '2001:db8:1:2'],
    ['2001:db8::5:4000', '2001:db8:0:0'],
    ['::1:4000', '0:0:0:0'],
    ['fe80::1%eth0:4000', 'fe80:0:0:0'],
    ['/run/bcdb.sock', '/run/bcdb.sock'],
  ] as const;
  for (const [remote, address] of cases) assert.equal(addressOf(remote), address);
});
