import assert from 'node:assert/strict';
import { link, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import { BotFolder } from './bot-folder.ts';

async function keysOf(folder: BotFolder): Promise<readonly string[]> {
  const keys = [await folder.device(), ...(await folder.formerKeys())];
  return keys.map(({ publicKey }) => publicKey.text);
}

test('the next key takes the place of the present one, also where that was broken off', async () => {
  await using place = await tempFolder('bot-folder');
  const folder = new BotFolder(join(place.path, 'ada'));
  const first = (await folder.makeDevice()).publicKey.text;
  const second = (await folder.makeNext()).publicKey.text;
  await folder.takeNext();
  assert.deepEqual(await keysOf(folder), [second, first]);

  const third = (await folder.makeNext()).publicKey.text;
  // As if the power had gone before the last step.
  await link(join(folder.path, 'device-key'), join(folder.path, 'former-2-key'));
  assert.deepEqual(await keysOf(folder), [second, second, first]);
  await folder.takeNext();
  assert.deepEqual(await keysOf(folder), [third, second, first]);
  assert.equal((await stat(join(folder.path, 'device-key'))).mode & 0o777, 0o600);
});
