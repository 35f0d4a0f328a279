import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { ControllerFile } from '../src/bot-service/controller-file.ts';

test('a file of a controller gives what was written last, and nothing where it is damaged', async () => {
  await using folder = await tempFolder('controller');
  const path = join(folder.path, 'controller');
  const file = new ControllerFile(path);
  assert.equal(await file.read(), undefined);
  await file.write({ at: 1 });
  await file.write({ at: 2 });
  assert.deepEqual(await new ControllerFile(path).read(), { at: 2 });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await writeFile(path, '{"at":');
  assert.equal(await file.read(), undefined);
});
