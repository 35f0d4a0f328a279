import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode, ManualClock, tempFolder } from '@commongrid/base/testing';
import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { verifyExport } from '../src/offline/verify-export.ts';
import type { ObjectVersion } from '../src/projection/object-row.ts';
import { signRecord } from '../src/record/author.ts';

const contact = 'net.example.contact.1';
const contactSchema = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 100, 'x-bcdb': { unique: true } },
    email: { type: 'string', maxLength: 200, 'x-bcdb': { index: true } },
  },
  required: ['name'],
};

function valueOf(version: ObjectVersion | undefined): unknown {
  return JSON.parse(String(version?.payload));
}

test('a database keeps what was written, over a restart', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  let version: string | undefined;
  let log: string;
  {
    await using bcdb = await Bcdb.open({ dataDir: folder.path, owner });
    log = bcdb.log;
    await bcdb.createNamespace('people');
    await bcdb.defineSchema('people', contact, contactSchema);
    const value = { name: 'Ada', email: 'ada@example.net' };
    const receipt = await bcdb.write({ ns: 'people', op: 'put', url: contact, obj: 'ada', value });
    version = receipt.version;
    assert.ok(receipt.head.size > receipt.seq);
  }
  await using bcdb = await Bcdb.open({ dataDir: folder.path, owner });
  assert.equal(bcdb.log, log);
  assert.equal(bcdb.versionOf('people', contact, 'ada'), version);
  await bcdb.write({ ns: 'people', op: 'del', url: contact, obj: 'ada' });
});

test('a folder that lost its genesis keeps its key, and works again once that is back', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  // Time stands still: a tick would be a second record.
  const options = { dataDir: folder.path, owner, clock: new ManualClock(1_800_000_000_000) };
  const [genesis, key, log] = ['genesis.json', 'sequencer.key', 'log'].map((name) =>
    join(folder.path, name),
  );
  assert.ok(genesis !== undefined && key !== undefined && log !== undefined);
  await (await Bcdb.open(options)).close();
  const [text, seed] = [await readFile(genesis, 'utf8'), await readFile(key, 'utf8')];
  await rm(genesis);
  await assert.rejects(Bcdb.open(options), { code: 'BCDB_FOLDER_DAMAGED' });
  assert.equal(await readFile(key, 'utf8'), seed);
  await writeFile(genesis, text);
  await (await Bcdb.open(options)).close();

  // Without a log here it may be in PostgreSQL: a log of its own begins, with the same key.
  await rm(log, { recursive: true });
  await rm(genesis);
  await (await Bcdb.open(options)).close();
  assert.equal(await readFile(key, 'utf8'), seed);
});

test('what breaks the rules is refused with its own code, and nothing is appended', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const stranger = SigningKey.generate();
  // It stands still, so that no tick comes.
  const clock = new ManualClock(1_800_000_000_000);
  await using bcdb = await Bcdb.open({ dataDir: folder.path, owner, clock });
  await bcdb.createNamespace('people');
  await bcdb.defineSchema('people', contact, contactSchema);
  await bcdb.write({ ns: 'people', op: 'put', url: contact, obj: 'ada', value: { name: 'Ada' } });
  const before = bcdb.head.size;
  const put = { ns: 'people', op: 'put', url: contact, obj: 'bob' } as const;
  await assert.rejects(
    bcdb.write({ ...put, value: { nom: 'x' } }),
    hasCode('BCDB_SCHEMA_MISMATCH'),
  );
  await assert.rejects(
    bcdb.write({ ...put, value: { name: 'Ada' } }),
    hasCode('BCDB_UNIQUE_TAKEN'),
  );
  await assert.rejects(
    bcdb.write({ ...put, ns: 'void', value: { name: 'x' } }),
    hasCode('BCDB_NAMESPACE_UNKNOWN'),
  );
  await assert.rejects(
    bcdb.write({ ...put, url: 'net.example.other.1', value: {} }),
    hasCode('BCDB_SCHEMA_UNKNOWN'),
  );
  const statement = {
    ...put,
    schema: bcdb.schemaOf('people', contact),
    payload: canonicalBytes({ name: 'Bob' }),
  };
  const options = { log: bcdb.log, n: 1, t: 0 };
  const foreign = signRecord(stranger, statement, options);
  await assert.rejects(bcdb.append(foreign), hasCode('BCDB_DENIED'));
  const forged = signRecord(owner, statement, { ...options, n: 5 });
  forged.leaf[forged.leaf.length - 1] = (forged.leaf.at(-1) ?? 0) ^ 1;
  await assert.rejects(bcdb.append(forged), hasCode('BCDB_SIGNATURE_INVALID'));
  const gap = signRecord(owner, statement, { ...options, n: 50 });
  await assert.rejects(bcdb.append(gap), hasCode('BCDB_COUNTER_GAP'));
  const elsewhere = signRecord(owner, statement, { ...options, log: 'A'.repeat(43) });
  await assert.rejects(bcdb.append(elsewhere), hasCode('BCDB_OTHER_LOG'));
  assert.equal(bcdb.head.size, before);
});

test('a record that is sent twice is in the log once; another with its counter is evidence', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await Bcdb.open({ dataDir: folder.path, owner });
  await bcdb.createNamespace('people');
  await bcdb.defineSchema('people', contact, contactSchema);
  const statement = {
    ns: 'people',
    op: 'put',
    url: contact,
    obj: 'ada',
    schema: bcdb.schemaOf('people', contact),
    payload: canonicalBytes({ name: 'Ada' }),
  } as const;
  const options = { log: bcdb.log, n: bcdb.lastN(bcdb.owner) + 1, t: 0 };
  const entry = signRecord(owner, statement, options);
  const [first, second] = await Promise.all([bcdb.append(entry), bcdb.append(entry)]);
  assert.equal(first.seq, second.seq);
  assert.equal((await bcdb.append(entry)).seq, first.seq);
  const other = signRecord(owner, { ...statement, obj: 'eve' }, options);
  await assert.rejects(bcdb.append(other), hasCode('BCDB_EQUIVOCATION'));
});

test('what was written is found, searched and asked for by SQL, as of now and of before', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const schema = {
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 100, 'x-bcdb': { index: true } },
      about: { type: 'string', maxLength: 500, 'x-bcdb': { fts: true } },
    },
  };
  let first: number;
  {
    await using bcdb = await Bcdb.open({ dataDir: folder.path, owner });
    await bcdb.createNamespace('people');
    await bcdb.defineSchema('people', contact, schema);
    const put = { ns: 'people', op: 'put', url: contact } as const;
    const ada = { name: 'Ada', about: 'wrote the first program' };
    first = (await bcdb.write({ ...put, obj: 'ada', value: ada })).seq;
    const bob = { name: 'Bob', about: 'grows roses' };
    await bcdb.write({ ...put, obj: 'bob', value: bob });
    const later = { name: 'Ada', about: 'grows roses too' };
    const last = await bcdb.write({ ...put, obj: 'ada', value: later });
    await bcdb.projection.waitFor(last.seq);
    assert.deepEqual(valueOf(bcdb.projection.getNow('people', contact, 'ada')), later);
    const found = await bcdb.projection.find('people', {
      url: contact,
      where: { field: 'name', op: 'eq', value: 'Ada' },
    });
    assert.deepEqual(
      found.rows.map(({ obj }) => obj),
      ['ada'],
    );
    const hits = await bcdb.projection.search('people', { text: 'roses' });
    assert.equal(hits.rows.length, 2);
    const before = await bcdb.projection.get('people', contact, 'ada', { seq: first });
    assert.deepEqual(valueOf(before), ada);
  }
  await using bcdb = await Bcdb.open({ dataDir: folder.path, owner });
  await bcdb.projection.waitFor(bcdb.head.size - 1);
  assert.equal((await bcdb.projection.history('people', contact, 'ada')).length, 2);
});

test('an erased object leaves no payload in any file, and the log verifies all the same', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const secret = 'tutankhamun';
  let lines = '';
  {
    await using bcdb = await Bcdb.open({ dataDir: join(folder.path, 'data'), owner });
    await bcdb.createNamespace('people');
    await bcdb.defineSchema('people', contact, contactSchema);
    const put = { ns: 'people', op: 'put', url: contact, obj: 'x' } as const;
    for (let index = 0; index < 3; index++) {
      await bcdb.write({ ...put, value: { name: `${secret}${index}` } });
    }
    await bcdb.write({ ...put, obj: 'y', value: { name: 'stays' } });
    await bcdb.write({ ns: 'people', op: 'erase', url: contact, obj: 'x' });
    await bcdb.erased();
    for await (const text of bcdb.export()) lines += text;
  }
  for (const file of await readdir(folder.path, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const bytes = await readFile(join(file.parentPath, file.name));
    assert.equal(bytes.includes(secret), false, `${file.name} still has it`);
  }
  const file = join(folder.path, 'export.jsonl');
  await writeFile(file, lines);
  const report = await verifyExport(file);
  assert.equal(report.fault, undefined);
  assert.equal(report.erased, 3);
  await rm(join(folder.path, 'data', 'state.sqlite'));
  await rm(join(folder.path, 'data', 'projection'), { recursive: true });
  await using bcdb = await Bcdb.open({ dataDir: join(folder.path, 'data'), owner });
  await bcdb.projection.waitFor(bcdb.head.size - 1);
  assert.equal(bcdb.projection.getNow('people', contact, 'x'), undefined);
  assert.deepEqual(valueOf(bcdb.projection.getNow('people', contact, 'y')), { name: 'stays' });
});
