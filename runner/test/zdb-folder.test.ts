import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';
import { ZdbServer } from '@commongrid/zdb';

import { childVariables } from '../src/environment.ts';

interface Answer {
  readonly status: unknown;
  readonly out: string;
  readonly err: string;
}

interface ErrorAnswer {
  readonly code: string;
  readonly hint: string;
}

/** Runs `grid zdb WORDS...`. */
async function zdb(...words: readonly string[]): Promise<Answer> {
  const main = join(import.meta.dirname, '..', 'src', 'main.ts');
  const child = spawn(process.execPath, [main, 'zdb', ...words], {
    env: childVariables({ NO_COLOR: '1' }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { status, out, err };
}

async function errorOf(...words: readonly string[]): Promise<ErrorAnswer & { status: unknown }> {
  const { out, status } = await zdb(...words, '--json');
  return { ...(JSON.parse(out) as ErrorAnswer), status };
}

/** A folder with a few keys of the default namespace. */
async function fill(folder: string): Promise<void> {
  await using server = await ZdbServer.open({
    dataDir: folder,
    listen: [{ host: '127.0.0.1', port: 0 }],
  });
  const [address] = server.addresses;
  await using client = await RespClient.connect({ port: address?.port ?? 0 });
  for (let i = 0; i < 10; i++) await client.command(['SET', `key-${i}`, `value ${i}`]);
  await client.command(['DEL', 'key-3']);
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  await using folder = await tempFolder('zdb');
  await work(folder.path);
}

async function damage(folder: string): Promise<void> {
  const [name = ''] = (await readdir(folder)).filter((one) => one.endsWith('.log'));
  const file = await open(join(folder, name), 'r+');
  const at = (await file.readFile()).indexOf('value 5');
  await file.write(Buffer.from('VALUE'), 0, 5, at);
  await file.close();
}

test('a damaged folder is verified, and repaired by the commands that errors name', async () => {
  await inFolder(async (place) => {
    const data = join(place, 'data');
    await fill(data);
    const sound = await zdb('verify', '--data', data);
    assert.equal(sound.status, 0);
    assert.match(sound.out, /^sound: 12 records of 1 namespaces in 1 segments/);
    await damage(data);
    const found = await zdb('verify', '--data', data);
    assert.equal(found.status, 1);
    assert.match(found.out, /damage: .* is damaged at offset \d+/);
    const next = /next: \.\/grid zdb (.*)/.exec(found.out)?.[1]?.split(' ') ?? [];
    assert.deepEqual(next, ['repair', '--data', data]);
    const refused = await errorOf(...next);
    assert.equal(refused.code, 'ZDB_REPAIR_LOSS');
    assert.equal(refused.status, 1);
    assert.match((await zdb(...next)).err, /lost: records \d+-\d+ \(.*offset \d+, \d+ bytes\)/);
    const accepted = refused.hint.replace('grid zdb ', '').split(' ');
    const repaired = await zdb(...accepted);
    assert.equal(repaired.status, 0, repaired.err);
    assert.equal((await zdb('verify', '--data', data)).status, 0);
    assert.match((await zdb(...next)).out, /^nothing to repair/);
  });
});

test('a dump and an original 0-db take a folder to another and back', async () => {
  await inFolder(async (place) => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(place, name)) as [string, string, string];
    const dump = join(place, 'dump');
    const [index, files] = [join(place, 'index'), join(place, 'files')];
    await fill(a);
    const exported = await zdb('export', '--data', a, dump);
    assert.match(exported.out, /^11 records of default in /, exported.err);
    assert.equal((await zdb('import', '--data', b, dump)).status, 0);
    const original = ['--original-index', index, '--original-data', files];
    assert.equal((await zdb('export', '--data', b, ...original)).status, 0);
    const imported = await zdb('import', '--data', c, ...original);
    assert.equal(imported.out, 'default (user): 10 values, 1 deletions\n');
    const again = join(place, 'again');
    await zdb('export', '--data', b, again);
    assert.equal(await readFile(again, 'utf8'), await readFile(dump, 'utf8'));
    const taken = await errorOf('import', '--data', c, dump);
    assert.deepEqual([taken.code, taken.status], ['ZDB_IMPORT_EXISTS', 5]);
    const rename = taken.hint
      .replace('give it another name: ', '')
      .replace('NEW', 'other')
      .split(' ');
    assert.equal((await zdb('import', '--data', c, dump, ...rename)).status, 0);
  });
});

test('a folder in use is refused with the process that uses it', async () => {
  await inFolder(async (folder) => {
    await using _server = await ZdbServer.open({
      dataDir: folder,
      listen: [{ host: '127.0.0.1', port: 0 }],
    });
    for (const words of [['verify'], ['repair'], ['export', join(folder, 'dump')]]) {
      const { status, err } = await zdb(...words, '--data', folder);
      assert.equal(status, 5, err);
      assert.match(err, new RegExp(`in use by process ${process.pid} `));
    }
  });
});

test('a wrong use of export and import is explained', async () => {
  await using place = await tempFolder('zdb');
  const nowhere = join(place.path, 'nowhere');
  const both = ['--original-index', 'i', '--original-data', 'd'];
  for (const words of [['export'], ['import', 'file', ...both], ['import', ...both.slice(2)]]) {
    const { code, status, hint } = await errorOf(...words, '--data', nowhere);
    assert.deepEqual([code, status], ['GRID_USAGE', 2]);
    assert.match(hint, /zdb (export|import) --help$/);
  }
  const missing = await errorOf('verify', '--data', nowhere);
  assert.deepEqual([missing.code, missing.status], ['ZDB_FOLDER_MISSING', 3]);
});
