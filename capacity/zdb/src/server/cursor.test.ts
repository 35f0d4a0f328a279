import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultServerLimits, type Request, RequestParser } from '@commongrid/resp';
import fc from 'fast-check';
import { Namespace, newNamespaceSettings } from '../engine/namespace.ts';
import { CURSOR_BYTES, decodeCursor, encodeCursor } from './cursor.ts';

const namespace = new Namespace(newNamespaceSettings(7, 'seven', 'user', 0));

function requestOf(bytes: Buffer): Request {
  const parser = new RequestParser(defaultServerLimits);
  const head = Buffer.from(`*1\r\n$${bytes.length}\r\n`);
  parser.push(Buffer.concat([head, bytes, Buffer.from('\r\n')]));
  assert.ok(parser.next());
  return parser.request;
}

test('cursor gives back the sequence that it was made of', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (sequence) => {
      const bytes = encodeCursor(namespace, sequence);
      assert.equal(bytes.length, CURSOR_BYTES);
      assert.equal(decodeCursor(requestOf(bytes), 0, namespace), sequence);
    }),
  );
});

test('cursor with a flipped bit, or of another namespace, is none', () => {
  const other = new Namespace(newNamespaceSettings(8, 'eight', 'user', 0));
  const bytes = encodeCursor(namespace, 123456789);
  assert.equal(decodeCursor(requestOf(bytes), 0, other), undefined);
  for (let bit = 0; bit < CURSOR_BYTES * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.equal(decodeCursor(requestOf(flipped), 0, namespace), undefined, `bit ${bit}`);
  }
  assert.equal(decodeCursor(requestOf(bytes.subarray(1)), 0, namespace), undefined);
});
