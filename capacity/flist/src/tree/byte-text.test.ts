import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { byteTextFrom, byteTextOf, bytesOfText, shownText } from './byte-text.ts';

test('a byte text has the bytes it was made of, and sorts as they do', () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(bytes, bytes, (one, other) => {
      assert.deepEqual(bytesOfText(byteTextOf(one)), Buffer.from(one));
      const [a, b] = [byteTextOf(one), byteTextOf(other)];
      assert.equal(Math.sign(Buffer.compare(one, other)), a < b ? -1 : a > b ? 1 : 0);
    }),
  );
});

test('a byte text is shown as UTF-8, with what nobody could read as hex', () => {
  assert.equal(shownText(byteTextFrom('Grüße')), 'Grüße');
  assert.equal(shownText(byteTextFrom('a\nb\\')), 'a\\x0ab\\\\');
  assert.equal(shownText(byteTextOf(Buffer.from([0x61, 0xff, 0x5c, 0x20]))), 'a\\xff\\\\ ');
});
