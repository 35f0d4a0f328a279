import assert from 'node:assert/strict';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';

import {
  RECORD_HEADER_BYTES,
  recordLengthsAt,
  recordPreviousAt,
  recordSequenceAt,
} from '../src/engine/log/format.ts';
import { ZdbServer } from '../src/index.ts';

const key = 'a key that is found';
const valueAt = RECORD_HEADER_BYTES + key.length;

/** What one flipped bit of a record of so many bytes does to FETCH. GET refuses each. */
const cases = [
  { what: 'the value', sizeBytes: 200_000, at: valueAt + 70_000, comes: true },
  { what: 'the former sequence', sizeBytes: 200_000, at: recordPreviousAt, comes: true },
  { what: 'the length', sizeBytes: 200_000, at: recordLengthsAt + 1, comes: false },
  { what: 'the sequence', sizeBytes: 200_000, at: recordSequenceAt + 5, comes: false },
  { what: 'the key', sizeBytes: 200_000, at: RECORD_HEADER_BYTES + 2, comes: false },
  { what: 'a value that is not large', sizeBytes: 40_000, at: valueAt + 5, comes: false },
  { what: 'a small value', sizeBytes: 500, at: valueAt + 5, comes: false },
] as const;

for (const { what, sizeBytes, at, comes } of cases) {
  test(`FETCH ${comes ? 'answers' : 'refuses'} a record in which ${what} is damaged`, async () => {
    await using temp = await tempFolder('zdb-fetch');
    const dataDir = join(temp.path, 'data');
    const listen = [{ host: '127.0.0.1', port: 0 }];
    const value = seededRandom(what).bytes(sizeBytes);
    {
      await using server = await ZdbServer.open({ dataDir, listen });
      await using client = await RespClient.connect({ port: server.addresses[0]?.port ?? 0 });
      await client.command(['SET', key, Buffer.from(value)]);
      await client.command(['SET', 'behind it', 'sound']);
      assert.deepEqual(await client.command(['FETCH', key]), Buffer.from(value));
    }
    // What is damaged before a start is found by it; what was just written is in memory.
    await using server = await ZdbServer.open({ dataDir, listen });
    await using client = await RespClient.connect({ port: server.addresses[0]?.port ?? 0 });
    const flipped = await flipRecord(dataDir, at);
    await assert.rejects(client.command(['GET', key]), /Internal Error/);
    if (comes) {
      const fetched = await client.command(['FETCH', key]);
      assert.deepEqual(fetched, flipped.subarray(valueAt, valueAt + sizeBytes));
    } else {
      await assert.rejects(client.command(['FETCH', key]), /Internal Error/);
    }
    assert.deepEqual(await client.command(['FETCH', 'behind it']), Buffer.from('sound'));
    assert.equal(await client.command(['FETCH', 'not there']), null);
  });
}

/** Flips a bit of the record of `key`. @returns the record and what follows */
async function flipRecord(dataDir: string, at: number): Promise<Buffer> {
  for (const name of await readdir(dataDir, { recursive: true })) {
    if (!name.endsWith('.log')) continue;
    const path = join(dataDir, name);
    const bytes = await readFile(path);
    const start = bytes.indexOf(key) - RECORD_HEADER_BYTES;
    if (start < 0) continue;
    bytes.writeUInt8(bytes.readUInt8(start + at) ^ 1, start + at);
    await using file = await open(path, 'r+');
    await file.write(bytes, start + at, 1, start + at);
    return bytes.subarray(start);
  }
  throw new Error('no segment has the record');
}
