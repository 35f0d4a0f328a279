import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseMounts } from './mount-table.ts';

test('mountinfo is read with optional fields and escaped paths', () => {
  const text = [
    '36 35 98:0 / / rw,noatime shared:1 master:2 - ext4 /dev/root rw',
    String.raw`90 36 0:44 /a\040b /mnt/\134x\054\011y\303\274 ro - overlay flist ro,lowerdir=m::o`,
    '',
  ].join('\n');
  assert.deepEqual(parseMounts(text), [
    { id: 36, device: '98:0', root: '/', target: '/', type: 'ext4', source: '/dev/root' },
    {
      id: 90,
      device: '0:44',
      root: '/a b',
      target: '/mnt/\\x,\tyü',
      type: 'overlay',
      source: 'flist',
    },
  ]);
});
