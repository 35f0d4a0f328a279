import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode, tempFolder } from '@commongrid/base/testing';
import { openFile, sealFile } from '../src/catalog/snapshot-stream.ts';

const key = Buffer.alloc(32, 5);

async function sealed(path: string): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(sealFile(path, key)));
}

/** In pieces that fit to nothing. */
async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 77_777) yield bytes.subarray(at, at + 77_777);
}

test('snapshot comes back as it was, whatever its length', async () => {
  await using folder = await tempFolder();
  const from = join(folder.path, 'from');
  const to = join(folder.path, 'to');
  for (const length of [0, 1, 100_000, 3 * 1024 * 1024 + 5]) {
    await writeFile(from, randomBytes(length));
    await openFile(pieces(await sealed(from)), to, key);
    assert.ok((await readFile(from)).equals(await readFile(to)));
  }
});

test('snapshot that is cut, changed or of another key is refused', async () => {
  await using folder = await tempFolder();
  const from = join(folder.path, 'from');
  const to = join(folder.path, 'to');
  await writeFile(from, randomBytes(2_500_000));
  const bytes = await sealed(from);
  const segment = 1024 * 1024 + 16;
  const changed = Buffer.from(bytes);
  changed.writeUInt8(changed.readUInt8(1_000) ^ 1, 1_000);
  const damaged = [
    changed,
    bytes.subarray(0, 20),
    bytes.subarray(0, 40),
    bytes.subarray(0, 40 + segment),
    bytes.subarray(0, bytes.length - 1),
    Buffer.concat([bytes.subarray(0, 40), bytes.subarray(40 + segment)]),
    Buffer.concat([bytes, Buffer.alloc(1)]),
  ];
  for (const each of damaged) {
    await assert.rejects(
      openFile(pieces(each), to, key),
      hasCode('ZSTOR_CATALOG_SNAPSHOT_CORRUPT'),
    );
  }
  const other = openFile(pieces(bytes), to, Buffer.alloc(32, 6));
  await assert.rejects(other, hasCode('ZSTOR_CATALOG_SNAPSHOT_CORRUPT'));
});
