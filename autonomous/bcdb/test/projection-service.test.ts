import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { Type } from 'typebox';
import { EffectFeed } from '../src/projection/effect-feed.ts';
import { ProjectionService } from '../src/projection/projection-service.ts';
import type { ProjectionEvent } from '../src/projection/projection-service.ts';
import { Decimal, indexed, searchable, Text } from '../src/schema/fields.ts';
import type { EffectBatch } from '../src/state/effect.ts';
import { EffectLog, rootOf, temporaryFolder } from './projection-fixture.ts';

const url = 'net.example.contact.1';
const schema = Type.Object({
  name: searchable(indexed(Text())),
  price: Type.Optional(indexed(Decimal())),
});

function people(count: number): EffectLog {
  const log = new EffectLog();
  log.schema(url, schema);
  for (let i = 1; i < count; i++) log.put(url, `p${i}`, { name: `person ${i}`, price: `${i}.5` });
  return log;
}

test('a service catches up, follows, and lets a writer read what it wrote', async () => {
  await using folder = await temporaryFolder();
  const log = people(100);
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => log.read(from),
  });
  await service.waitFor(99);
  assert.equal((await service.get('home', url, 'p99'))?.seq, 99);
  const waiting = service.waitFor(100);
  await service.apply(log.batch(log.put(url, 'new', { name: 'New' })));
  await waiting;
  assert.equal(service.getNow('home', url, 'new')?.payload, '{"name":"New"}');
  assert.equal((await service.find('home', { url, limit: 1000 })).rows.length, 100);
  assert.equal((await service.search('home', { text: 'new' })).rows.length, 1);
  assert.equal(await service.count('home', url), 100);
  assert.equal((await service.history('home', url, 'new')).length, 1);
  assert.deepEqual(
    (await service.types('home')).map((type) => type.url),
    ['bcdb.schema.1', url],
  );
  await assert.rejects(service.waitFor(101, { signal: AbortSignal.timeout(1) }), (error) =>
    isGridError(error, 'BASE_ABORTED'),
  );
  await assert.rejects(service.find('home', { url, orderBy: { field: 'nope' } }), (error) =>
    isGridError(error, 'BCDB_QUERY_INVALID'),
  );
});

test('a service that missed batches asks for them', async () => {
  await using folder = await temporaryFolder();
  const log = people(10);
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => log.read(from),
  });
  await service.waitFor(9);
  for (let i = 0; i < 30; i++) log.put(url, `late${i}`, { name: 'late' });
  await service.apply(log.batch(log.put(url, 'last', { name: 'last' })));
  await service.waitFor(log.size - 1);
  assert.equal(await service.count('home', url), 9 + 31);
});

test('many batches at once are all applied, in order', async () => {
  await using folder = await temporaryFolder();
  const log = new EffectLog();
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => log.read(from),
  });
  for (let i = 0; i < 300; i++) void service.apply(log.batch(log.put(url, `o${i % 7}`, { i })));
  await service.waitFor(299);
  assert.equal((await service.history('home', url, 'o0', { limit: 1000 })).length, 43);
});

test('watch gives each change once, resumes by sequence and follows the log', async () => {
  await using folder = await temporaryFolder();
  const log = people(50);
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => log.read(from),
  });
  const controller = new AbortController();
  const seen: number[] = [];
  const watching = (async () => {
    for await (const change of service.watch('home', {
      url,
      from: 20,
      signal: controller.signal,
    })) {
      seen.push(change.seq);
      if (change.seq === 59) return;
    }
  })();
  for (let i = 50; i < 60; i++)
    await service.apply(log.batch(log.put(url, 'p1', { name: `again ${i}` })));
  await watching;
  assert.deepEqual(
    seen,
    Array.from({ length: 40 }, (_, i) => 20 + i),
  );
  const idle = service.watch('home', { from: 60, signal: controller.signal }).next();
  controller.abort();
  await assert.rejects(idle, (error) => isGridError(error, 'BASE_ABORTED'));
});

test('a file made from another log is made anew', async () => {
  await using folder = await temporaryFolder();
  const log = people(20);
  {
    await using service = await ProjectionService.open({
      folder: folder.path,
      catchUp: (from) => log.read(from),
    });
    await service.waitFor(19);
  }
  const other = new EffectLog();
  other.put(url, 'only', { name: 'other' });
  const events: ProjectionEvent[] = [];
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => other.read(from),
    rootAt: (size) => (size <= other.size ? rootOf(size) : undefined),
    onEvent: (event) => events.push(event),
  });
  await service.waitFor(0);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['rebuilt'],
  );
  assert.equal(await service.count('home', url), 1);
});

test('rebuild makes a file anew while the service goes on', async () => {
  await using folder = await temporaryFolder();
  const log = people(60);
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => log.read(from),
  });
  await service.waitFor(59);
  assert.notEqual(service.getNow('home', url, 'p1'), undefined);
  await service.rebuild('home');
  assert.equal(await service.count('home', url), 59);
  assert.equal(service.getNow('home', url, 'p1')?.seq, 1);
  await service.apply(log.batch(log.put(url, 'after', { name: 'after' })));
  await service.waitFor(60);
  assert.equal(service.getNow('home', url, 'after')?.seq, 60);
});

/** Two changes of one type by one record: no log has that, and the file refuses it. */
function broken(batch: EffectBatch): EffectBatch {
  return { ...batch, effects: [...batch.effects, ...batch.effects.slice(-1)] };
}

test('a writer that fails starts over, and stops after some tries', async () => {
  await using folder = await temporaryFolder();
  const log = people(10);
  const events: string[] = [];
  let isBroken = false;
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: async function* (from) {
      for await (const batch of log.read(from)) {
        yield isBroken ? broken(batch) : batch;
      }
    },
    onEvent: ({ kind }) => {
      events.push(kind);
      if (events.length === 2) isBroken = false;
    },
  });
  await service.waitFor(9);
  isBroken = true;
  log.put(url, 'a', { name: 'a' });
  await service.apply(broken(log.batch(10)));
  await service.waitFor(10);
  assert.deepEqual(events, ['restarted', 'restarted']);
  events.push('from here on it stays broken');
  isBroken = true;
  log.put(url, 'b', { name: 'b' });
  await service.apply(broken(log.batch(11)));
  await assert.rejects(service.waitFor(11), (error) =>
    isGridError(error, 'BCDB_PROJECTION_STOPPED'),
  );
  assert.equal(events.at(-1), 'stopped');
  assert.equal((await service.find('home', { url })).rows.length, 10);
});

test('sql reads views by name, with values bound', async () => {
  await using folder = await temporaryFolder();
  const log = people(30);
  log.del(url, 'p29');
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => log.read(from),
  });
  await service.waitFor(30);
  assert.deepEqual(
    await service.sql(
      'home',
      'SELECT obj, name, price FROM contact WHERE price_key > decimal_key(?) ORDER BY price_key',
      ['26.5'],
    ),
    {
      columns: ['obj', 'name', 'price'],
      rows: [
        ['p27', 'person 27', '27.5'],
        ['p28', 'person 28', '28.5'],
      ],
    },
  );
  const kinds = await service.sql(
    'home',
    `SELECT kind, author, at FROM "${url}_history" WHERE obj = 'p29' ORDER BY seq`,
  );
  assert.deepEqual(
    kinds.rows.map(([kind, author]) => [kind, author]),
    [
      ['put', 'ed25519:ada'],
      ['del', 'ed25519:ada'],
    ],
  );
  const words = await service.sql('home', "SELECT count(*) FROM _t2 WHERE _t2 MATCH 'person'");
  assert.deepEqual(words.rows, [[28]]);
});

test('sql refuses whatever writes, attaches, or asks for more than one statement', async () => {
  await using folder = await temporaryFolder();
  const log = people(5);
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => log.read(from),
  });
  await service.waitFor(4);
  for (const sql of [
    "UPDATE _o2 SET obj = 'x'",
    'DELETE FROM contact',
    'DROP TABLE _o2',
    'CREATE TEMP TABLE t (a)',
    `ATTACH '${join(folder.path, 'x.db')}' AS x`,
    'PRAGMA query_only = OFF',
    'PRAGMA journal_mode = DELETE',
    "SELECT * FROM pragma_table_info('_o2')",
    "SELECT load_extension('x')",
    "VACUUM INTO '/tmp/never.db'",
    'BEGIN',
    'SELECT nonsense',
    'SELECT 1; DELETE FROM _o2',
    '',
  ]) {
    await assert.rejects(
      service.sql('home', sql),
      (error) => isGridError(error, 'BCDB_SQL_REFUSED'),
      sql,
    );
  }
  assert.equal(await service.count('home', url), 4);
  await assert.rejects(service.sql('none', 'SELECT 1'), (error) =>
    isGridError(error, 'BCDB_NAMESPACE_UNKNOWN'),
  );
});

test('sql that runs too long or gives too much is ended, and the next statement runs', async () => {
  await using folder = await temporaryFolder();
  const log = people(5);
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => log.read(from),
    sql: { timeoutMs: 3000, processes: 1 },
  });
  await service.waitFor(4);
  const endless = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)';
  const isLimit = (error: unknown): boolean => isGridError(error, 'BCDB_SQL_LIMIT');
  await assert.rejects(service.sql('home', `${endless} SELECT count(*) FROM c`), isLimit);
  await assert.rejects(service.sql('home', `${endless} SELECT x FROM c`), isLimit);
  await assert.rejects(
    service.sql('home', `${endless} SELECT hex(zeroblob(100000)) FROM c`),
    isLimit,
  );
  await assert.rejects(service.sql('home', 'SELECT zeroblob(1000000000)'), /too big/);
  assert.deepEqual((await service.sql('home', 'SELECT 9007199254740993, 1')).rows, [
    [9007199254740993n, 1],
  ]);
});

test('the words of a service that has nothing to do are merged', async () => {
  await using folder = await temporaryFolder();
  const log = people(60);
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => log.read(from, 1),
  });
  await service.waitFor(59);
  using db = new DatabaseSync(join(folder.path, 'ns-home.db'), { readOnly: true });
  const parts = db.prepare('SELECT count(DISTINCT segid) AS n FROM _t2_idx');
  await waitFor(() => Number(parts.get()?.['n']) < 4, { what: 'merged words', timeoutMs: 60_000 });
  assert.equal((await service.search('home', { text: 'person', limit: 100 })).rows.length, 59);
});

test('a feed that is handed more bytes than may wait has all of them read from the log', async () => {
  await using folder = await temporaryFolder();
  const log = new EffectLog();
  const payload = new Uint8Array(2 << 20).fill(0xff);
  let reads = 0;
  await using service = await ProjectionService.open({
    folder: folder.path,
    catchUp: (from) => {
      reads++;
      return log.read(from, 2);
    },
  });
  await service.rebuild('home');
  const readsBefore = reads;
  const feed = new EffectFeed(service);
  for (let i = 0; i < 40; i++) void feed.push(log.batch(log.put(url, `big${i}`, payload)));
  await service.waitFor(39);
  assert.equal(await service.count('home', url), 40);
  assert.ok(reads > readsBefore);
});
