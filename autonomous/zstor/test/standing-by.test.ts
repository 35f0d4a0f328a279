import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import { SmallFiles } from './support/small-files.ts';

test('a head that stood by knows the backends that came meanwhile when it takes over', async () => {
  await using fleet = await ZdbFleet.open(7);
  const backendsFile = await fleet.makeStore('standing', { logs: 5 });
  const all = await readFile(backendsFile, 'utf8');
  const entries: { address: string }[] = JSON.parse(all);
  const write = async (content: string): Promise<void> => {
    await writeFile(`${backendsFile}.new`, content);
    await rename(`${backendsFile}.new`, backendsFile);
  };
  await write(JSON.stringify(entries.slice(0, 6)));
  const folderOf = (head: string): string => join(fleet.folder, head);
  await using first = await SmallFiles.open({
    ...{ folder: folderOf('first'), backendsFile, canBegin: true },
  });
  await first.put('a');
  const asked = Promise.withResolvers<void>();
  const goes = { isActive: true, looks: 0 };
  const isOtherActive = (): Promise<boolean> => {
    goes.looks += 1;
    if (goes.looks > 2) asked.resolve();
    return Promise.resolve(goes.isActive);
  };
  const keyFile = join(folderOf('first'), 'key');
  const opening = SmallFiles.open({
    ...{ folder: folderOf('second'), backendsFile, keyFile, isOtherActive },
  });
  await asked.promise;
  await write(all);
  await first.store.close();
  goes.isActive = false;
  await using second = await opening;
  const { backends } = second.store;
  assert.equal(backends.all.length, 7);
  assert.deepEqual(
    backends.all.map(({ isWritable }) => isWritable),
    backends.all.map(() => true),
  );
  await second.put('b');
  assert.deepEqual([await second.isWhole('a'), await second.isWhole('b')], [true, true]);
});
