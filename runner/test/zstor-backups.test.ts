import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';

import { hasCode } from '@commongrid/base/testing';

import { ZstorBackups } from '../src/node/zstor-backups.ts';
import { openStorage } from '../src/open-source.ts';
import { openFleet } from './fixtures/zdb-fleet.ts';

const { signal } = new AbortController();

test('backups of volumes are kept in a Zero-Stor, listed, read back and deleted', async () => {
  await using fleet = await openFleet();
  const { path, backends } = fleet;
  const place = { data: join(path, 'head'), backends, keyFile: join(path, 'key') };
  const shards = { dataShards: 4, parityShards: 2 };
  await using store = await openStorage(place, { canBegin: true, shards }, signal);
  // To open one takes two seconds: here it stays.
  const target = new ZstorBackups(async () => ({
    put: (name, source, options) => store.put(name, source, options),
    get: (name, options) => store.get(name, options),
    list: (prefix, after) => store.list(prefix, after),
    remove: (name) => store.remove(name),
    tidy: (until) => store.tidy(until),
    close: async () => {},
  }));
  const content = randomBytes(5_000_000);
  await target.put('a/1', Readable.from([content.subarray(0, 7), content.subarray(7)]), signal);
  await target.put('a/2', Readable.from([Buffer.from('two')]), signal);
  await target.put('b/1', Readable.from([Buffer.from('other')]), signal);
  assert.deepEqual(await target.list('a/', signal), ['a/1', 'a/2']);
  const read = await buffer(await target.get('a/1', signal));
  assert.equal(hashOf(read), hashOf(content));

  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('a part');
      throw new Error('broken off');
    })(),
  );
  await assert.rejects(target.put('a/3', broken, signal));
  assert.deepEqual(await target.list('a/', signal), ['a/1', 'a/2']);

  await target.delete('a/1', signal);
  await target.delete('a/1', signal);
  await assert.rejects(target.get('a/1', signal), hasCode('NODE_BACKUP_UNKNOWN'));
  assert.deepEqual(await target.list('', signal), ['a/2', 'b/1']);
});

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
