import { equal, throws } from 'node:assert/strict';
import { suite, test } from 'node:test';

import { FailurePace, holderOfAddress } from './failure-pace.ts';

suite('FailurePace', () => {
  test('lets some failures pass, then one a second, each for itself', () => {
    const pace = new FailurePace(3);
    for (let n = 0; n < 3; n++) {
      pace.check('a', 0);
      pace.note('a', 0);
    }
    const refused = { code: 'HUB_TOO_MANY_FAILURES', details: { retryAfterMs: 1_000 } };
    throws(() => pace.check('a', 0), refused);
    throws(() => pace.check('a', 999), { code: 'HUB_TOO_MANY_FAILURES' });
    pace.check('b', 0);
    pace.check('a', 1_000);
    pace.note('a', 1_000);
    throws(() => pace.check('a', 1_000), refused);
    pace.check('a', 10_000);
  });

  test('remembers a bounded number, and none whose failures time has made good', () => {
    const pace = new FailurePace();
    for (let n = 0; n < 10_100; n++) pace.note(`address ${n}`, 0);
    equal(pace.size, 10_000);
    pace.note('late', 2_000);
    equal(pace.size, 1);
  });
});

test('an address of IPv6 stands for its network, others for themselves', () => {
  equal(holderOfAddress('192.0.2.7'), '192.0.2.7');
  equal(holderOfAddress('::ffff:192.0.2.7'), '192.0.2.7');
  equal(holderOfAddress('2001:db8:0:1:2:3:4:5'), '2001:db8:0:1::/64');
  equal(holderOfAddress('2001:DB8::1'), '2001:db8:0:0::/64');
  equal(holderOfAddress('fe80::1%eth0'), 'fe80:0:0:0::/64');
  equal(holderOfAddress('::1'), '0:0:0:0::/64');
});
