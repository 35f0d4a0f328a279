import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';

import { ControlSocket } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { controlPathOf } from '@commongrid/flist';

import { Images } from '../src/container/images.ts';

test('images tell which source gave wrong chunks, and nothing while their service is away', async () => {
  await using folder = await tempFolder('images');
  const told = [{ name: 'http://mirror/v1', isPaused: false, refusedChunks: 2 }];
  const service = await ControlSocket.open({
    path: controlPathOf(folder.path),
    actions: {
      status: async () => ({}),
      reload: async () => ({}),
      sources: async () => told,
    },
  });
  const images = await Images.open({
    ...{ folder: folder.path, hubs: ['http://mirror'], maxBytes: 2 ** 20 },
    startService: () => Promise.reject(new Error('it runs already')),
  });
  assert.deepEqual(await images.sources(), told);
  await service.close();
  assert.equal(await images.sources(), undefined);
});

test('images take a hundred mounts away at once, of a service that hears few at a time', async () => {
  await using folder = await tempFolder('images');
  let [inside, insideMost, count] = [0, 0, 0];
  await using _service = await ControlSocket.open({
    path: controlPathOf(folder.path),
    actions: {
      status: async () => ({}),
      reload: async () => ({}),
      unmount: async () => {
        insideMost = Math.max(insideMost, ++inside);
        for (let turn = 0; turn < 20; turn++) await setImmediate();
        inside--;
        count++;
      },
    },
  });
  const images = await Images.open({
    ...{ folder: folder.path, hubs: [], maxBytes: 2 ** 20 },
    startService: () => Promise.reject(new Error('it runs already')),
  });
  const ids = Array.from({ length: 100 }, (_none, index) => `mount-${index}`);
  await Promise.all(ids.map((id) => images.unmount(id)));
  assert.equal(count, 100);
  assert.ok(insideMost > 1 && insideMost <= 16, String(insideMost));
});
