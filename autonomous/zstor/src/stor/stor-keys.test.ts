import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorKeys } from './stor-keys.ts';

const secret = Buffer.alloc(32, 5);
const blobId = Buffer.alloc(16, 1);
const blobKey = Buffer.alloc(32, 9);

test('a wrapped key opens with the same secret and blob, and with no other', () => {
  const keys = new StorKeys(secret);
  const wrapped = keys.own.wrap(blobId, blobKey);
  assert.equal(wrapped.length, 60);
  assert.equal(wrapped.includes(blobKey), false);
  assert.deepEqual(new StorKeys(secret).own.unwrap(blobId, wrapped), blobKey);
  const invalid = { code: 'ZSTOR_KEY_INVALID' };
  assert.throws(() => keys.own.unwrap(Buffer.alloc(16, 2), wrapped), invalid);
  assert.throws(() => new StorKeys(Buffer.alloc(32, 6)).own.unwrap(blobId, wrapped), invalid);
  wrapped.writeUInt8(wrapped.readUInt8(20) ^ 1, 20);
  assert.throws(() => keys.own.unwrap(blobId, wrapped), invalid);
});

test('the keys of a secret stay what they are', () => {
  const { metadataKey } = new StorKeys(secret);
  assert.equal(
    metadataKey.toString('hex'),
    'e55fa5eadceedc91fa7a6fd10cd7818163a057fa4559c44309661a2239bfb028',
  );
  const wrapped = Buffer.from(
    '8e7701fb3d0a77766774619b63d1e6a2eb2a8f51787f2407c27e7952534b68e03efe6619f646fbd1704c1a937196aaaadb7f7af719fb184e85208527',
    'hex',
  );
  assert.deepEqual(new StorKeys(secret).own.unwrap(blobId, wrapped), blobKey);
});
