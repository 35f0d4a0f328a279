import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { leafBytesMax, payloadBytesMax } from '../record/entry.ts';
import type { Entry } from '../record/entry.ts';
import { modelText, packRecord, unpackRecord } from './packed-record.ts';

const entry: fc.Arbitrary<Entry> = fc.record({
  leaf: fc.uint8Array({ minLength: 65, maxLength: 700 }),
  body: fc.option(fc.uint8Array({ minLength: 16, maxLength: 700 }), { nil: undefined }),
});

function bytesOf({ leaf, body }: Entry): unknown {
  return { leaf: Buffer.from(leaf), body: body && Buffer.from(body) };
}

test('a record comes back as it was, with and without a model', () => {
  fc.assert(
    fc.property(entry, fc.option(entry, { nil: undefined }), (one, model) => {
      const text = model && modelText(model);
      assert.deepEqual(bytesOf(unpackRecord(packRecord(one, text), text)), bytesOf(one));
    }),
  );
});

test('the largest record comes back as it was', () => {
  const one = {
    leaf: new Uint8Array(leafBytesMax).fill(1),
    body: new Uint8Array(payloadBytesMax + 16),
  };
  const text = modelText(one);
  assert.deepEqual(bytesOf(unpackRecord(packRecord(one, text), text)), bytesOf(one));
});

test('what a model says takes no room again', () => {
  const [leaf, body] = [new Uint8Array(400), new Uint8Array(300)];
  for (let i = 0; i < 400; i++) leaf[i] = body[i] = (i * 167 + (i >> 3)) % 256;
  const packed = packRecord({ leaf, body }, modelText({ leaf, body }));
  assert.ok(packed.length < 100, `${packed.length} bytes`);
});
