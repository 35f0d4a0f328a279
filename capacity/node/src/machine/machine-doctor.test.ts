import assert from 'node:assert/strict';
import { test } from 'node:test';

import { kernelFinding } from './machine-doctor.ts';

test('a kernel before 6.1 is refused with the reason, and one before 6.5 said to be slower', () => {
  for (const old of ['5.19.17', '5.4.0-216-generic', '6.0.19']) {
    const { isOk, next = '' } = kernelFinding(old);
    assert.equal(isOk, false, old);
    assert.match(next, /^install Linux 6\.1 or newer: /);
  }
  for (const slower of ['6.1.0-44-amd64', '6.4.16']) {
    const { isOk, says } = kernelFinding(slower);
    assert.equal(isOk, true, slower);
    assert.match(says, /images are slower/);
  }
  for (const whole of ['6.5.0', '6.12.48+deb13-amd64', '6.18.44', '7.0.1']) {
    assert.deepEqual(kernelFinding(whole), { name: 'kernel', isOk: true, says: whole });
  }
});
