import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';
import { readBackendsFile } from '@commongrid/zstor';

import { keptPorts, writeBackendsFile } from '../src/backends-file.ts';
import { GridHome } from '../src/home.ts';
import { choosePorts } from '../src/ports.ts';
import { serviceTable } from '../src/service-table.ts';
import { backendNames, keepLayout, layoutOf } from '../src/storage-layout.ts';

async function openHome(): Promise<AsyncDisposable & { readonly home: GridHome }> {
  const folder = await tempFolder('layout');
  const home = new GridHome(folder.path);
  await home.create();
  return { home, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

test('a layout is chosen once, and refused when it would be another', async () => {
  await using fixture = await openHome();
  const { home } = fixture;
  assert.equal((await layoutOf(home)).shards, '4+2');
  assert.equal((await keepLayout(home, '16+4')).backends, 24);
  assert.equal((await keepLayout(home, undefined)).backends, 24);
  await assert.rejects(keepLayout(home, '4+2'), { code: 'GRID_SHARDS_DIFFER' });
  await writeFile(home.layoutFile, '{"shards":"3+1"}');
  await assert.rejects(layoutOf(home), { code: 'GRID_FILE_UNREADABLE' });
});

test('services follow the layout', async () => {
  const others = ['node', 'bot-farmer', 'bot-buyer', 'front-door'];
  await using fixture = await openHome();
  const { home } = fixture;
  const namesOf = async (): Promise<string[]> =>
    serviceTable(await layoutOf(home)).map(({ name }) => name);
  assert.deepEqual(await namesOf(), [
    ...[
      'zdb',
      'bcdb',
      'hub',
      'zdb-1',
      'zdb-2',
      'zdb-3',
      'zdb-4',
      'zdb-5',
      'zdb-6',
      's3',
      ...others,
    ],
  ]);
  await keepLayout(home, 'none');
  assert.deepEqual(await namesOf(), ['zdb', 'bcdb', 'hub', ...others]);
});

test('the backends file is one that Zero-Stor reads, and keeps ports from then on', async () => {
  await using fixture = await openHome();
  const { home } = fixture;
  const layout = await keepLayout(home, '16+4');
  assert.equal((await keptPorts(home, layout)).size, 0);
  await home.createSecret(home.backendsPasswordFile, 'base64url');
  await home.createSecret(home.zdbPasswordFile, 'hex');
  const ports = await choosePorts(backendNames(layout), 0);
  await writeBackendsFile(home, layout, ports);
  const specs = await readBackendsFile(home.backendsFile);
  assert.equal(specs.length, 24);
  assert.deepEqual(
    specs.flatMap(({ isSpare }, at) => (isSpare ? [at + 1] : [])),
    [21, 22, 23, 24],
  );
  const kept = await keptPorts(home, layout);
  assert.deepEqual([...kept], [...ports]);
  assert.deepEqual([...(await choosePorts(backendNames(layout), 30_000, kept))], [...ports]);
  const before = await readFile(home.backendsFile, 'utf8');
  await writeBackendsFile(home, layout, await choosePorts(backendNames(layout), 0));
  assert.equal(await readFile(home.backendsFile, 'utf8'), before);
  await writeFile(home.backendsFile, 'no list');
  await assert.rejects(keptPorts(home, layout), { code: 'GRID_FILE_UNREADABLE' });
  await rm(home.backendsFile);
  assert.equal((await keptPorts(home, layout)).size, 0);
});
