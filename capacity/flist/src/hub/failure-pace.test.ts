import { equal, throws } from 'node:assert/strict';
import { suite, test } from 'node:test';

import { FailurePace } from './failure-pace.ts';

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
