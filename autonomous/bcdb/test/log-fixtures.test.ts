import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { EmbeddedLog } from '../src/log/embedded/embedded-log.ts';
import { batchAt, differences, headAt, readAll } from '../src/testing/index.ts';

test('embedded log of version 1 can be read and written', async () => {
  await using temp = await tempFolder('bcdb-fixture');
  const folder = path.join(temp.path, 'log');
  fs.cpSync(path.join(import.meta.dirname, 'fixtures/log-v1'), folder, { recursive: true });
  await using engine = await EmbeddedLog.open({ folder, log: Buffer.alloc(32, 1) });
  assert.equal(engine.head.size, 53);
  assert.equal(Buffer.compare(engine.head.root, headAt(53).root), 0);
  assert.deepEqual(differences(await readAll(engine), 0, new Set([1, 20])), []);
  assert.deepEqual(await Array.fromAsync(engine.verify()), []);
  await engine.append(batchAt(53, 2));
  assert.equal((await readAll(engine)).length, 55);
});
