import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import fc from 'fast-check';
import { Type } from 'typebox';
import { ProjectionReader } from '../src/projection/projection-reader.ts';
import { ProjectionWriter } from '../src/projection/projection-writer.ts';
import { verifyProjection } from '../src/projection/verify-projection.ts';
import { DateTime, Decimal, indexed, searchable, Text } from '../src/schema/fields.ts';
import { EffectLog, momentOf, temporaryFolder } from './projection-fixture.ts';

const url = 'net.example.contact.1';
const schema = Type.Object({
  name: searchable(indexed(Text())),
  age: Type.Optional(indexed(Type.Integer())),
  price: Type.Optional(indexed(Decimal())),
  seen: Type.Optional(indexed(DateTime())),
  tags: Type.Optional(indexed(Type.Array(Text()))),
  note: Type.Optional(searchable(Text())),
  city: Type.Optional(Text()),
});

async function filled(
  log: EffectLog,
): Promise<AsyncDisposable & { folder: string; reader: ProjectionReader }> {
  const stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryFolder());
  using writer = ProjectionWriter.open({ folder: path });
  for await (const batch of log.read(0)) writer.apply(batch);
  const reader = stack.use(new ProjectionReader(path));
  return { folder: path, reader, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function people(): EffectLog {
  const log = new EffectLog();
  log.schema(url, schema);
  log.put(url, 'ada', {
    name: 'Ada Lovelace',
    age: 36,
    price: '9.50',
    tags: ['math', 'code'],
    city: 'London',
  });
  log.put(url, 'bob', {
    name: 'Bob Ross',
    age: 52,
    price: '10',
    tags: ['art'],
    note: 'happy little trees',
  });
  log.put(url, 'cyd', { name: 'Cyd', price: '-3.25', seen: '2026-01-01T00:00:00+01:00' });
  log.put(url, 'dan', { name: 'Dän', age: 36, price: '-3.5', seen: '2025-12-31T23:30:00Z' });
  return log;
}

const ids = (page: { readonly rows: readonly { readonly obj: string }[] }): string[] =>
  page.rows.map(({ obj }) => obj);

test('find compares fields of each kind by their value', async () => {
  await using home = await filled(people());
  const { reader } = home;
  const find = (where: object, orderBy?: object): string[] =>
    ids(reader.find('home', { url, where, ...(orderBy && { orderBy }) } as never));
  assert.deepEqual(find({ field: 'age', op: 'eq', value: 36 }), ['ada', 'dan']);
  assert.deepEqual(find({ field: 'age', op: 'eq', value: null }), ['cyd']);
  assert.deepEqual(find({ field: 'age', op: 'ne', value: 36 }), ['bob', 'cyd']);
  assert.deepEqual(find({ not: { field: 'age', op: 'gt', value: 40 } }), ['ada', 'cyd', 'dan']);
  assert.deepEqual(find({ field: 'price', op: 'lt', value: '9.6' }, { field: 'price' }), [
    'dan',
    'cyd',
    'ada',
  ]);
  assert.deepEqual(find({ field: 'price', op: 'eq', value: '10.00' }), ['bob']);
  assert.deepEqual(find({ field: 'tags', op: 'contains', value: 'art' }), ['bob']);
  assert.deepEqual(find({ field: 'name', op: 'prefix', value: 'A' }), ['ada']);
  assert.deepEqual(find({ field: 'age', op: 'in', value: [36, 52] }), ['ada', 'bob', 'dan']);
  assert.deepEqual(
    find(
      { field: 'seen', op: 'gte', value: '2025-12-31T23:15:00Z' },
      { field: 'seen', direction: 'desc' },
    ),
    ['dan'],
  );
  assert.deepEqual(
    find({
      or: [
        { field: 'age', op: 'gt', value: 50 },
        { and: [{ field: 'name', op: 'eq', value: 'Cyd' }] },
      ],
    }),
    ['bob', 'cyd'],
  );
  assert.equal(reader.count('home', url, { field: 'age', op: 'eq', value: 36 }), 2);
});

test('find refuses what it cannot answer from an index, unless it may scan', async () => {
  await using home = await filled(people());
  const { reader } = home;
  const refused = (query: object): void =>
    assert.throws(
      () => reader.find('home', { url, ...query }),
      (error) => isGridError(error, 'BCDB_QUERY_INVALID'),
      JSON.stringify(query),
    );
  const city = { field: 'city', op: 'eq', value: 'London' } as const;
  refused({ where: city });
  refused({ where: { field: 'age', op: 'eq', value: '36' } });
  refused({ where: { field: 'age', op: 'like', value: 36 } });
  refused({ where: { field: 'x"; DROP TABLE _o1; --', op: 'eq', value: 1 }, scan: true });
  refused({ orderBy: { field: 'city' } });
  refused({ limit: 1001 });
  refused({ cursor: 'AAAA' });
  assert.deepEqual(ids(reader.find('home', { url, where: city, scan: true })), ['ada']);
  assert.deepEqual(ids(reader.find('home', { url: 'net.example.none.1' })), []);
});

test('pages of a find hold each object once, whatever the order', async () => {
  const log = people();
  for (let i = 0; i < 40; i++) {
    log.put(url, `p${i}`, { name: `n${i % 3}`, ...(i % 4 === 0 ? {} : { age: i % 5 }) });
  }
  await using home = await filled(log);
  const seq = log.size;
  for (const orderBy of [
    undefined,
    { field: 'age' },
    { field: 'age', direction: 'desc' },
  ] as const) {
    for (const asOf of [undefined, { seq }]) {
      for (const scan of orderBy === undefined ? [false, true] : [false]) {
        const seen: string[] = [];
        const ages: number[] = [];
        let cursor: string | undefined;
        do {
          const page = home.reader.find('home', { url, orderBy, asOf, scan, cursor, limit: 7 });
          seen.push(...ids(page));
          ages.push(...page.rows.map(ageOf));
          cursor = page.cursor;
        } while (cursor !== undefined);
        assert.equal(new Set(seen).size, 44);
        assert.equal(seen.length, 44);
        if (orderBy === undefined) assert.deepEqual(seen, seen.toSorted());
        else {
          const sign = 'direction' in orderBy ? -1 : 1;
          assert.deepEqual(
            ages,
            ages.toSorted((a, b) => sign * (a - b)),
          );
        }
      }
    }
  }
});

function ageOf({ payload }: { readonly payload: unknown }): number {
  return (JSON.parse(String(payload)) as { age?: number }).age ?? -1;
}

test('search finds words, phrases and beginnings, and no text is an error', async () => {
  await using home = await filled(people());
  const search = (text: string, more: object = {}): string[] =>
    ids(home.reader.search('home', { text, ...more }));
  assert.deepEqual(search('lovelace'), ['ada']);
  assert.deepEqual(search('trees happy'), ['bob']);
  assert.deepEqual(search('"happy little"'), ['bob']);
  assert.deepEqual(search('"little happy"'), []);
  assert.deepEqual(search('lov*'), ['ada']);
  assert.deepEqual(search('dan'), ['dan']);
  assert.deepEqual(search('trees', { url, field: 'name' }), []);
  assert.deepEqual(search('trees', { url, field: 'note' }), ['bob']);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (a, b) => {
      search(a);
      search(`${a} "${b}* NEAR(${b}) AND ^`);
    }),
    { numRuns: 50 },
  );
});

test('pages of a search hold each object once, over all types', async () => {
  const log = people();
  const other = 'net.example.book.1';
  log.schema(other, Type.Object({ title: searchable(Text()) }));
  for (let i = 0; i < 25; i++) {
    log.put(i % 2 === 0 ? other : url, `x${i}`, {
      [i % 2 === 0 ? 'title' : 'name']: 'same words '.repeat(1 + (i % 3)),
    });
  }
  await using home = await filled(log);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = home.reader.search('home', { text: 'same', limit: 4, cursor });
    seen.push(...ids(page));
    cursor = page.cursor;
  } while (cursor !== undefined);
  assert.equal(seen.length, 25);
  assert.equal(new Set(seen).size, 25);
});

test('history and as-of give what was there', async () => {
  const log = people();
  const first = log.size;
  log.put(url, 'eve', { name: 'Eve', tags: ['a'], age: 1 });
  for (let i = 0; i < 12; i++) log.put(url, 'pad', { name: `pad ${i}` });
  const second = log.put(url, 'eve', { name: 'Eva', tags: ['b'], age: 2 });
  const end = log.del(url, 'eve');
  const again = log.put(url, 'eve', { name: 'Evi' });
  await using home = await filled(log);
  const { reader } = home;
  const nameAt = (asOf: { seq: number } | { at: number }): string | undefined => {
    const found = reader.get('home', url, 'eve', asOf);
    return found && (JSON.parse(String(found.payload)) as { name: string }).name;
  };
  assert.deepEqual(
    [first - 1, first, second - 1, second, end, again, again + 9].map((seq) => nameAt({ seq })),
    [undefined, 'Eve', 'Eve', 'Eva', undefined, 'Evi', 'Evi'],
  );
  assert.equal(nameAt({ at: momentOf(first) }), 'Eve');
  assert.equal(nameAt({ at: momentOf(0) - 1 }), undefined);
  assert.deepEqual(
    reader.history('home', url, 'eve').map(({ seq, kind }) => [seq, kind]),
    [
      [again, 'put'],
      [end, 'del'],
      [second, 'put'],
      [first, 'put'],
    ],
  );
  const where = { field: 'tags', op: 'contains', value: 'a' } as const;
  assert.deepEqual(ids(reader.find('home', { url, where, asOf: { seq: first } })), ['eve']);
  assert.deepEqual(ids(reader.find('home', { url, where, asOf: { seq: second } })), []);
  assert.deepEqual(ids(reader.find('home', { url, where })), []);
  const feed = reader.changes('home', { from: first, limit: 1000 });
  assert.deepEqual(
    feed.changes.map(({ seq }) => seq),
    Array.from({ length: log.size - first }, (_, i) => first + i),
  );
});

test('a newer schema indexes what is there already, in current rows and in history', async () => {
  const log = new EffectLog();
  log.put(url, 'old', { name: 'Olaf', tags: ['x'], age: 7 });
  log.schema(url, Type.Object({ name: Text() }));
  log.put(url, 'old', { name: 'Olga', tags: ['x'], age: 8 });
  log.schema(url, schema);
  log.put(url, 'new', { name: 'Nora', age: 8 });
  await using home = await filled(log);
  const { reader } = home;
  const eight = { field: 'age', op: 'eq', value: 8 } as const;
  assert.deepEqual(ids(reader.find('home', { url, where: eight })), ['new', 'old']);
  const seven = { field: 'age', op: 'eq', value: 7 } as const;
  assert.deepEqual(ids(reader.find('home', { url, where: seven, asOf: { seq: 1 } })), ['old']);
  assert.deepEqual(
    ids(reader.find('home', { url, where: { field: 'tags', op: 'contains', value: 'x' } })),
    ['old'],
  );
  assert.deepEqual(ids(reader.search('home', { text: 'olga' })), ['old']);
});

for (const isBuilt of [false, true]) {
  const when = isBuilt ? 'also while its file is built' : 'once it is read';
  test(`an erased payload is in no file any more, ${when}`, () => erasesAll(isBuilt));
}

async function erasesAll(isBuilt: boolean): Promise<void> {
  const log = people();
  const secret = 'xylophonequartz';
  log.put(url, 'spy', { name: `Spy ${secret}`, tags: [secret], note: secret });
  log.put(url, 'spy', { name: `Spy ${secret} two`, tags: [`${secret}2`] });
  await using folder = await temporaryFolder();
  using writer = ProjectionWriter.open({ folder: folder.path });
  writer.apply(log.batch(0));
  if (!isBuilt) writer.settle();
  const holds = (): string[] =>
    readdirSync(folder.path).filter((name) =>
      readFileSync(join(folder.path, name)).includes(secret.slice(1)),
    );
  assert.notDeepEqual(holds(), []);
  const from = log.size;
  log.erase(url, 'spy');
  writer.apply(log.batch(from));
  assert.deepEqual(holds(), []);
  writer.settle();
  using reader = new ProjectionReader(folder.path);
  assert.deepEqual(
    reader.history('home', url, 'spy').map(({ kind, payload }) => [kind, payload]),
    [
      ['erase', undefined],
      ['put', undefined],
      ['put', undefined],
    ],
  );
  assert.deepEqual(ids(reader.search('home', { text: secret })), []);
}

test('sealed payloads of a private namespace are kept as they are, found by id only', async () => {
  const log = new EffectLog();
  log.put('bcdb.namespace.1', 'home', { grants: [], isPrivate: true });
  log.schema(url, schema);
  log.put(url, 'ada', Buffer.from('{"name":"sealed"}'));
  await using home = await filled(log);
  const found = home.reader.get('home', url, 'ada');
  assert.ok(found?.payload instanceof Uint8Array);
  assert.deepEqual(ids(home.reader.search('home', { text: 'sealed' })), []);
  assert.deepEqual(ids(home.reader.find('home', { url })), ['ada']);
});

test('payloads and names of strangers never stop the projection', async () => {
  const log = new EffectLog();
  const names = [
    'a"b',
    "it's",
    'select',
    'ÄÖ☃',
    'a.b',
    'obj',
    'OBJ',
    '; DROP TABLE _meta',
    ' ',
    '$',
    '\\',
  ];
  const properties = Object.fromEntries(
    names.map((name) => [name, { type: 'string', 'x-bcdb': { index: true, fts: true } }]),
  );
  for (const type of ['sqlite.1', 'sqlite.2', 'a.o1.1', 'b.o1.1', 'x-y.select.2', 'a.meta.1']) {
    log.schema(type, { type: 'object', properties });
    log.put(type, 'one', Object.fromEntries(names.map((name) => [name, `v ${name}`])));
    log.put(type, 'two', Object.fromEntries(names.map((name) => [name, { deep: 1 }])));
    log.put(type, 'bytes', Uint8Array.of(0xff, 0xfe, 0));
    log.put(type, 'text', Buffer.from('no json'));
    log.put(type, 'nul', { 'a"b': '\0', ' ': 'x\0y' });
    log.put(type, 'numbers', { select: 1e300 });
  }
  log.put('bcdb.schema.1', 'bad', { url: 'a.bad.1', schema: { type: 'nonsense' } });
  await using home = await filled(log);
  for (const name of names) {
    const field = name.replaceAll(/[\\.]/gu, '\\$&');
    const where = { field, op: 'eq', value: `v ${name}` } as const;
    assert.deepEqual(ids(home.reader.find('home', { url: 'a.o1.1', where })), ['one'], name);
  }
});

test('random changes give the files that a rebuild gives, however batches are cut', async () => {
  const change = fc.tuple(
    fc.constantFrom('put', 'put', 'put', 'del', 'erase', 'schema'),
    fc.constantFrom('a', 'b', 'c'),
    fc.record({ name: fc.string(), age: fc.nat(3), tags: fc.array(fc.constantFrom('x', 'y')) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 40 }),
      fc.integer({ min: 1, max: 9 }),
      async (list, step) => {
        await using folder = await temporaryFolder();
        const log = new EffectLog();
        {
          using writer = ProjectionWriter.open({ folder: folder.path });
          for (const [op, obj, value] of list) {
            const from = log.size;
            if (op === 'put') log.put(url, obj, value);
            else if (op === 'schema')
              log.schema(url, obj === 'a' ? schema : Type.Object({ name: Text() }));
            else log[op](url, obj);
            writer.apply(log.batch(from));
          }
        }
        if (log.size === 0) return;
        await verifyProjection({ folder: folder.path, ns: 'home', effects: log.read(0, step) });
      },
    ),
    { numRuns: 25 },
  );
});

test('verify names the row that somebody changed', async () => {
  const log = people();
  const statements: readonly (readonly [string, RegExp])[] = [
    [
      "UPDATE _o2 SET payload = replace(payload, 'Bob', 'Rob') WHERE obj = 'bob'",
      /sequence 2 of bob/,
    ],
    ["UPDATE _o2 SET f1 = 99 WHERE obj = 'ada'", /sequence 1 of ada/],
    ["DELETE FROM _o2 WHERE obj = 'cyd'", /sequence 3 of cyd/],
    ['DELETE FROM _feed WHERE seq = 4', /_feed .*sequence 4/],
    ['DELETE FROM _t2 WHERE rowid = 2', /_t2/],
    ['DROP INDEX _o2_f1', /_o2_f1/],
  ];
  for (const [sql, message] of statements) {
    await using home = await filled(log);
    {
      using db = new DatabaseSync(join(home.folder, 'ns-home.db'), { defensive: false });
      db.exec(sql);
    }
    await assert.rejects(
      verifyProjection({ folder: home.folder, ns: 'home', effects: log.read(0) }),
      (error) => isGridError(error, 'BCDB_PROJECTION_CORRUPT') && message.test(error.message),
      sql,
    );
  }
});

test('a damaged file is found at the start and made anew', async () => {
  const log = people();
  for (let i = 0; i < 200; i++) log.put(url, `p${i}`, { name: `person ${i}`, age: i });
  await using home = await filled(log);
  const path = join(home.folder, 'ns-home.db');
  home.reader.close();
  const bytes = readFileSync(path);
  bytes.fill(0xee, bytes.length - 9000, bytes.length - 1000);
  writeFileSync(path, bytes);
  using writer = ProjectionWriter.open({ folder: home.folder });
  assert.equal(writer.findings.length, 1);
  assert.match(writer.findings[0] ?? '', /ns-home\.db/);
  assert.equal(writer.size, 0);
  for await (const batch of log.read(0)) writer.apply(batch);
  assert.equal(writer.size, log.size);
  writer.settle();
  await verifyProjection({ folder: home.folder, ns: 'home', effects: log.read(0) });
});

test('a file that lost its last transactions is filled from where it is', async () => {
  const log = people();
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'ns-home.db');
  {
    using writer = ProjectionWriter.open({ folder: folder.path });
    writer.apply(log.batch(0));
  }
  const lost = readFileSync(path);
  const from = log.size;
  log.put(url, 'zoe', { name: 'Zoe' });
  log.put('net.example.other.1', 'x', {}, 'away');
  {
    using writer = ProjectionWriter.open({ folder: folder.path });
    assert.equal(writer.size, from);
    writer.apply(log.batch(from));
    assert.equal(writer.size, log.size);
  }
  writeFileSync(path, lost);
  using writer = ProjectionWriter.open({ folder: folder.path });
  assert.equal(writer.size, from);
  writer.apply(log.batch(from));
  using reader = new ProjectionReader(folder.path);
  assert.equal(reader.get('home', url, 'zoe')?.seq, from);
  assert.throws(() => writer.apply(log.batch(log.size + 1, log.size + 2)), /cannot follow/);
});

test('a file that is built is read only once it is whole', async () => {
  await using folder = await temporaryFolder();
  const log = people();
  const writer = ProjectionWriter.open({ folder: folder.path });
  using reader = new ProjectionReader(folder.path);
  writer.apply(log.batch(0, 3));
  assert.equal(reader.count('home', url), 0, 'read while it was built');
  assert.equal(writer.readableSize, undefined);
  writer.close();
  assert.equal(reader.count('home', url), 2, 'what was built until the close is kept');
  using next = ProjectionWriter.open({ folder: folder.path });
  assert.equal(next.size, 3);
  next.apply(log.batch(3));
  assert.equal(reader.count('home', url), log.size - 1);
  next.discard('home');
  reader.forget('home');
  next.apply(log.batch(0));
  assert.equal(reader.count('home', url), 0);
  next.settle();
  assert.equal(next.readableSize, log.size);
  assert.equal(reader.count('home', url), log.size - 1);
});

test('a file whose building was cut off is made anew', async () => {
  await using folder = await temporaryFolder();
  const log = people();
  const inName = join(folder.path, 'ns-home.db.building');
  {
    using writer = ProjectionWriter.open({ folder: folder.path });
    writer.apply(log.batch(0, 3));
    const torn = readFileSync(inName).subarray(0, 5000);
    writer.close();
    for (const name of readdirSync(folder.path)) {
      if (name.startsWith('ns-home')) rmSync(join(folder.path, name));
    }
    writeFileSync(inName, torn);
  }
  using writer = ProjectionWriter.open({ folder: folder.path });
  assert.equal(writer.size, 0, 'the index speaks of a file that is not there');
  for await (const batch of log.read(0)) writer.apply(batch);
  writer.settle();
  using reader = new ProjectionReader(folder.path);
  assert.equal(reader.count('home', url), log.size - 1);
  assert.deepEqual(
    readdirSync(folder.path).filter((name) => name.endsWith('.building')),
    [],
  );
});
