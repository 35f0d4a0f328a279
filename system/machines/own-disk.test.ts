import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { errorCode, mountAt } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { emptyDisk, fillDisk, mountDisk, unmountDisk } from './own-disk.ts';

test('a disk of its own is full for whoever writes to it, and free again', async () => {
  await using temp = await tempFolder('own-disk');
  const folder = join(temp.path, 'disk');
  await mountDisk(folder, 32 * 2 ** 20);
  try {
    const write = (): Promise<void> => writeFile(join(folder, 'text'), 'a'.repeat(10_000));
    await fillDisk(folder);
    await assert.rejects(write, (error) => errorCode(error) === 'ENOSPC');
    await emptyDisk(folder);
    await write();
  } finally {
    await unmountDisk(folder);
  }
  assert.equal(await mountAt(folder), undefined);
  await unmountDisk(folder);
});
