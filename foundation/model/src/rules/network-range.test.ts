import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { hostAddress, networkRange } from './network-range.ts';

test('networkRange takes ranges, and nothing else', () => {
  deepEqual(networkRange('10.10.0.0/16'), { version: 4, base: 0x0a0a0000n, hostBits: 16 });
  const wide = networkRange('fd00:1::/64');
  deepEqual(wide, { version: 6, base: 0xfd000001n << 96n, hostBits: 64 });
  equal(networkRange('1:2:3:4:5:6:7:8/128')?.hostBits, 0);
  const wrong = [
    '10.0.0.0',
    '10.0.0.1/8',
    '10.0.0/8',
    '10.0.0.256/32',
    '10.0.0.0/33',
    '01.0.0.0/8',
  ];
  const strange = [
    'fd00::1/64',
    '::1::/128',
    '1:2:3:4:5:6:7::8:9/128',
    '1:2:3/48',
    '::g/128',
    '/8',
  ];
  for (const text of [...wrong, ...strange, '10.0.0.0/8/8'])
    equal(networkRange(text), undefined, text);
});

test('hostAddress counts from the third address to the last but one', () => {
  const small = networkRange('192.168.1.0/29');
  if (small === undefined) throw new Error('it is a range');
  const all = [0, 1, 2, 3, 4, 5].map((n) => hostAddress(small, n));
  deepEqual(
    all.slice(0, 5),
    [2, 3, 4, 5, 6].map((n) => `192.168.1.${n}`),
  );
  equal(all[5], undefined);
  const none = networkRange('::/128');
  equal(none && hostAddress(none, 0), undefined);
});
