import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Store } from '../src/engine/store.ts';
import { exportFolder } from '../src/offline/export-folder.ts';
import { originalCrc32c } from '../src/offline/original/crc32c.ts';
import { exportOriginal } from '../src/offline/original/export-original.ts';
import { importOriginal } from '../src/offline/original/import-original.ts';
import { restoreNextIds } from '../src/server/sequential.ts';
import { fillSample, get, TestFolder } from './support/sample-folder.ts';

// An original folder is put together here byte by byte, without the encoders of the importer.

const u8 = (value: number): Buffer => Buffer.from([value]);
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number): Buffer => Buffer.concat([u32(value), u32(0)]);

function dataFile(id: number, ...entries: Buffer[]): Buffer {
  const header = [Buffer.from('DAT0'), u32(3), u64(0), u64(0), u32(id)];
  return Buffer.concat([...header, ...entries]);
}

function indexFile(id: number, mode: number, slots: number): Buffer {
  const slot = Buffer.concat([u8(8), Buffer.alloc(33), u64(0)]);
  const entries = Array.from({ length: slots }, () => slot);
  const header = [Buffer.from('IDX0'), u32(4), u64(0), u64(0), u32(id), u8(mode)];
  return Buffer.concat([...header, ...entries]);
}

function entry(key: string | Buffer, value: string, time: number): Buffer {
  const [k, v] = [Buffer.from(key), Buffer.from(value)];
  const sum = u32(originalCrc32c(v));
  return Buffer.concat([u8(k.length), u32(v.length), u32(0), sum, u8(0), u32(time), k, v]);
}

function deletion(key: string, time: number): Buffer {
  const k = Buffer.from(key);
  return Buffer.concat([u8(k.length), u32(0), u32(0), u32(0), u8(1), u32(time), k]);
}

function descriptor(name: string, password: string, maxBytes: number, flags: number): Buffer {
  const lengths = [u8(name.length), u8(password.length)];
  const texts = [Buffer.from(name), Buffer.from(password)];
  return Buffer.concat([u32(1), ...lengths, u64(maxBytes), u8(flags), ...texts]);
}

/** `default` with user keys in two files, `closed` empty with all settings, `seq` in sequence. */
async function makeOriginal(place: TestFolder): Promise<{ indexDir: string; dataDir: string }> {
  const folders = { indexDir: place.at('index'), dataDir: place.at('data') };
  for (const folder of Object.values(folders)) {
    for (const name of ['default', 'closed', 'seq'])
      await mkdir(join(folder, name), { recursive: true });
  }
  const index = (...names: string[]): string => join(folders.indexDir, ...names);
  const data = (...names: string[]): string => join(folders.dataDir, ...names);
  await writeFile(index('default', 'zdb-namespace'), descriptor('default', '', 0, 5));
  await writeFile(index('default', 'i0'), indexFile(0, 0, 0));
  await writeFile(index('default', 'i1'), indexFile(1, 0, 0));
  const first = [entry('a', 'a1', 100), entry('b', 'b1', 101), entry('a', 'a2', 102)];
  await writeFile(data('default', 'd0'), dataFile(0, ...first, deletion('b', 103)));
  const second = [
    entry('c', '', 104),
    entry('b', 'b2', 105),
    deletion('a', 106),
    entry('d', 'd1', 107),
  ];
  await writeFile(data('default', 'd1'), dataFile(1, ...second));
  await writeFile(index('closed', 'zdb-namespace'), descriptor('closed', 'pass', 123_456, 6));
  await writeFile(index('closed', 'i0'), indexFile(0, 0, 0));
  await writeFile(data('closed', 'd0'), dataFile(0));
  await writeFile(index('seq', 'zdb-namespace'), descriptor('seq', '', 0, 5));
  // Ids 0 and 1, then 0 again, whose former entry took the slot of id 2.
  await writeFile(index('seq', 'i0'), indexFile(0, 1, 4));
  const ids = [entry(u64(0), 'zero', 200), entry(u64(1), 'one', 201), entry(u64(0), 'ZERO', 202)];
  await writeFile(data('seq', 'd0'), dataFile(0, ...ids, entry(u64(3), 'three', 203)));
  return folders;
}

test('an original folder is imported with values, settings, history and ids', async () => {
  await using place = await TestFolder.make();
  const folders = await makeOriginal(place);
  const { namespaces, findings } = await importOriginal(folders, place.at('zdb'));
  assert.deepEqual(findings, []);
  assert.deepEqual(namespaces, [
    { name: 'closed', mode: 'user', values: 0, deletions: 0 },
    { name: 'default', mode: 'user', values: 6, deletions: 2 },
    { name: 'seq', mode: 'seq', values: 4, deletions: 0 },
  ]);
  const store = await Store.open({ folder: place.at('zdb') });
  await restoreNextIds(store);
  const wanted = { a: undefined, b: 'b2', c: '', d: 'd1' };
  for (const [key, value] of Object.entries(wanted)) {
    assert.equal(await get(store, 'default', key), value, key);
  }
  const closed = store.namespaces.get('closed')?.settings;
  assert.equal(closed?.password, 'pass');
  assert.equal(closed?.maxBytes, 123_456);
  assert.equal(closed?.isPublic, false);
  assert.equal(closed?.isWorm, true);
  const seq = store.namespaces.get('seq');
  assert.equal(seq?.settings.mode, 'seq');
  assert.equal(seq?.nextId, 4);
  assert.equal(await get(store, 'seq', u64(0).toString('latin1')), 'ZERO');
  const key = Buffer.from('b');
  store.lookup(store.namespaces.default, key, 0, 1);
  const times: number[] = [];
  for (
    let version = await store.recordAt(store.reader.sequence);
    version !== undefined;
    version = await store.recordAt(version.previous)
  ) {
    times.push(version.timeSeconds);
  }
  assert.deepEqual(times, [105, 103, 101]);
  await store.close();
});

test('a torn tail is reported, and all before it is imported', async () => {
  await using place = await TestFolder.make();
  const folders = await makeOriginal(place);
  const file = join(folders.dataDir, 'default', 'd1');
  const { size } = await stat(file);
  const torn = entry('e', 'never finished', 108);
  await appendFile(file, torn);
  for (let cut = 1; cut < torn.length; cut += 4) {
    await truncate(file, size + torn.length - cut);
    const target = place.at(`zdb-${cut}`);
    const { namespaces, findings } = await importOriginal(folders, target);
    assert.equal(namespaces[1]?.values, 6);
    assert.deepEqual(
      findings.map(({ file: at, offset, bytes, what }) => ({ at, offset, bytes, what })),
      [{ at: file, offset: size, bytes: torn.length - cut, what: 'torn-tail' }],
    );
  }
});

test('a damaged payload stops the import, or becomes a deletion when loss is accepted', async () => {
  await using place = await TestFolder.make();
  const folders = await makeOriginal(place);
  const file = join(folders.dataDir, 'default', 'd1');
  const bytes = await readFile(file);
  const at = bytes.indexOf('b2');
  bytes[at] = 0x62 ^ 1;
  await writeFile(file, bytes);
  await assert.rejects(importOriginal(folders, place.at('zdb')), {
    code: 'ZDB_ORIGINAL_CORRUPT',
    hint: '--accept-loss imports what is sound',
  });
  await assert.rejects(stat(place.at('zdb')), { code: 'ENOENT' });
  const { findings } = await importOriginal(folders, place.at('zdb'), { acceptLoss: true });
  assert.deepEqual(
    findings.map(({ what, offset, key }) => ({ what, offset, key })),
    [{ what: 'bad-payload', offset: at - 19, key: '62' }],
  );
  const store = await Store.open({ folder: place.at('zdb') });
  assert.equal(await get(store, 'default', 'b'), undefined);
  assert.equal(await get(store, 'default', 'd'), 'd1');
  await store.close();
});

test('damage that hides what follows is never passed over silently', async () => {
  await using place = await TestFolder.make();
  const folders = await makeOriginal(place);
  const file = join(folders.dataDir, 'default', 'd0');
  const whole = await readFile(file);
  const cut = whole.subarray(0, whole.length - 3);
  const wrongMagic = Buffer.concat([Buffer.from('DATX'), whole.subarray(4)]);
  const wrongLength = Buffer.from(whole);
  wrongLength.writeUInt32LE(0x7fffffff, 29);
  const cases: [string, Buffer, string][] = [
    ['an early file is cut', cut, 'bad-entry'],
    ['a header', wrongMagic, 'bad-header'],
    ['a length', wrongLength, 'bad-entry'],
  ];
  for (const [what, content, finding] of cases) {
    await writeFile(file, content);
    await assert.rejects(
      importOriginal(folders, place.at('zdb')),
      { code: 'ZDB_ORIGINAL_CORRUPT' },
      what,
    );
    const { findings } = await importOriginal(folders, place.at(finding + cases.length + what), {
      acceptLoss: true,
    });
    assert.equal(findings[0]?.what, finding, what);
  }
});

test('an export to the original format and back gives the same values, history and settings', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const target = { indexDir: place.at('index'), dataDir: place.at('data') };
  const exported = await exportOriginal(place.at('a'), target, { dataFileBytes: 700_000 });
  assert.deepEqual(exported.notKept, ['default: history latest', 'log: history latest']);
  await importOriginal(target, place.at('b'));
  for (const name of ['default', 'files', 'log']) {
    const [a, b] = [place.at(`a-${name}`), place.at(`b-${name}`)];
    await exportFolder(place.at('a'), a, { namespace: name });
    await exportFolder(place.at('b'), b, { namespace: name });
    assert.deepEqual(await comparable(b), await comparable(a), name);
  }
});

test('an exported index names the data of every value and its former versions', async () => {
  await using place = await TestFolder.make();
  await fillSample(place.at('a'));
  const target = { indexDir: place.at('index'), dataDir: place.at('data') };
  await exportOriginal(place.at('a'), target, { namespace: 'files', dataFileBytes: 700_000 });
  const live = new Map<string, string>();
  const versions = new Map<string, string[]>();
  for (let file = 0; file < 5; file++) {
    const index = await readFile(join(target.indexDir, 'files', `i${file}`));
    const data = await readFile(join(target.dataDir, 'files', `d${file}`));
    assert.ok(data.length <= 700_000 + 300);
    for (let at = 29; at < index.length; at += 34 + index.readUInt8(at)) {
      const key = index.toString('utf8', at + 34, at + 34 + index.readUInt8(at));
      const [offset, length] = [index.readUInt32LE(at + 1), index.readUInt32LE(at + 5)];
      assert.equal(index.readUInt32LE(at + 14), file);
      assert.equal(data.toString('utf8', offset + 18, offset + 18 + key.length), key);
      const valueAt = offset + 18 + key.length;
      const value = data.subarray(valueAt, valueAt + length);
      assert.equal(originalCrc32c(value), index.readUInt32LE(at + 22));
      const text = value.toString().replace(/x+$/, '').trim();
      const place_ = `${file}:${at}`;
      const parent = `${index.readUInt32LE(at + 26)}:${index.readUInt32LE(at + 30)}`;
      versions.set(place_, [text, ...(versions.get(parent) ?? [])]);
      if (index.readUInt8(at + 13) === 0) live.set(key, versions.get(place_)?.join() ?? '');
    }
  }
  assert.equal(live.size, 10);
  assert.equal(live.get('file-4'), 'version 24,version 14,version 4');
  assert.equal(live.has('file-3'), false);
});

/** The records of a dump without what an import gives anew: sequences and numbers. */
async function comparable(dump: string): Promise<unknown[]> {
  const lines = (await readFile(dump, 'utf8')).trimEnd().split('\n').slice(1, -1);
  const places = new Map<unknown, number>();
  return lines.map((line, i) => {
    const { namespace, ...record } = JSON.parse(line) as Record<string, never>;
    if (namespace !== undefined) {
      const { settings, nextId } = namespace as {
        settings: Record<string, unknown>;
        nextId: number;
      };
      const { name, password, isPublic, isWorm, maxBytes, mode } = settings;
      return { name, password, isPublic, isWorm, maxBytes, mode, nextId };
    }
    places.set(record['seq'], i);
    const { time, key, value, kind, prev } = record;
    return { time, key, value, kind, previous: places.get(prev) };
  });
}
