import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { equalBytes, formatBytes, fromHex, parseBytes, toHex } from './bytes.ts';

test('parseBytes reads numbers with and without units', () => {
  assert.equal(parseBytes('4096'), 4096);
  assert.equal(parseBytes('0'), 0);
  assert.equal(parseBytes('64MiB'), 64 * 2 ** 20);
  assert.equal(parseBytes(' 10 GB '), 10e9);
  assert.equal(parseBytes('1.5KiB'), 1536);
  assert.equal(parseBytes('2kB'), 2000);
  assert.equal(parseBytes('7B'), 7);
});

test('parseBytes refuses what is no whole number of bytes in a known unit', () => {
  const wrong = ['', 'MiB', '-1', '1e3', '10G', '0.3B', '1.0001KiB', '9000000PB', '1  MB', '1.MB'];
  for (const text of wrong) {
    assert.throws(() => parseBytes(text), { code: 'BASE_SIZE_INVALID' }, text);
  }
});

test('formatBytes chooses the unit in which people read the size', () => {
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(512), '512 B');
  assert.equal(formatBytes(1024), '1 KiB');
  assert.equal(formatBytes(1024 ** 2 - 1), '1 MiB');
  assert.equal(formatBytes(1.5 * 2 ** 30), '1.5 GiB');
  assert.equal(formatBytes(2 ** 53), '8 PiB');
});

test('formatBytes is read back by parseBytes within its rounding', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1024, max: 2 ** 46 }), (sizeBytes) => {
      const [digits = '', unit = ''] = formatBytes(sizeBytes).split(' ');
      const unitBytes = parseBytes(`1${unit}`);
      assert.ok(Math.abs(Number(digits) * unitBytes - sizeBytes) <= unitBytes / 20 + 1);
    }),
  );
});

test('equalBytes agrees with Buffer.equals', () => {
  const bytes = fc.uint8Array({ maxLength: 4 });
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      assert.equal(equalBytes(a, b), Buffer.from(a).equals(b));
      assert.ok(equalBytes(a, new Uint8Array(a)));
    }),
  );
});

test('hex round-trips and refuses other text', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(fromHex(toHex(bytes)), bytes)),
  );
  for (const text of ['a', 'zz', '0x00', 'ab cd']) {
    assert.throws(() => fromHex(text), { code: 'BASE_HEX_INVALID' }, text);
  }
});
