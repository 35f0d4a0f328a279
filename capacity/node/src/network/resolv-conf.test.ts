import assert from 'node:assert/strict';
import { test } from 'node:test';

import { resolvConfText } from './resolv-conf.ts';

test('containers have the resolvers of the machine and how it asks them', () => {
  const text = '# by hand\nsearch example.org\nnameserver 192.0.2.53\noptions ndots:2\n';
  const expected = 'search example.org\noptions ndots:2\nnameserver 192.0.2.53\n';
  assert.equal(resolvConfText([text], []), expected);
});

test('resolvers that a container cannot reach are left out', () => {
  const text = [
    '127.0.0.1',
    '169.254.169.254',
    '2001:db8::53',
    '192.0.2.2',
    '192.0.2.4',
    '192.0.2.5',
    '192.0.2.6',
    '192.0.2.7',
  ]
    .map((at) => `nameserver ${at}\n`)
    .join('');
  const expected = 'nameserver 192.0.2.4\nnameserver 192.0.2.5\nnameserver 192.0.2.6\n';
  assert.equal(resolvConfText([text], ['192.0.2.2']), expected);
});

test('behind a resolver on loopback are the ones that it asks', () => {
  const stub = 'nameserver 127.0.0.53\nsearch stub.example\n';
  const real = 'nameserver 192.0.2.53\nsearch real.example\n';
  assert.equal(resolvConfText([stub, real], []), 'search real.example\nnameserver 192.0.2.53\n');
});

test('without any resolver to reach, public ones are asked', () => {
  assert.equal(
    resolvConfText(['nameserver ::1\n', ''], []),
    'nameserver 9.9.9.9\nnameserver 149.112.112.112\n',
  );
});
