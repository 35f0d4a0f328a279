import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { PostgresLog } from '../src/log/postgres/postgres-log.ts';
import type { PostgresLogOptions } from '../src/log/postgres/postgres-log.ts';
import { batchAt, differences, headAt, PostgresPair, readAll } from '../src/testing/index.ts';

const log = Buffer.alloc(32, 7);
const isLong = process.env['GRID_TEST_LONG'] === '1';
let pair: PostgresPair;

before(async () => {
  pair = await PostgresPair.open();
});

after(() => pair.close());

function open(database: string, options: Partial<PostgresLogOptions> = {}): Promise<PostgresLog> {
  return PostgresLog.open({ urls: pair.urls(database), log, ...options });
}

async function assertHolds(engine: PostgresLog, size: number): Promise<void> {
  assert.equal(engine.head.size, size);
  assert.equal(Buffer.compare(engine.head.root, headAt(size).root), 0);
  const found = await readAll(engine);
  assert.equal(found.length, size);
  assert.deepEqual(differences(found, 0), []);
  assert.deepEqual(await Array.fromAsync(engine.verify()), []);
}

/** Waits until a commit of this database waits for the standby; the process that does. */
async function waitingCommit(database: string): Promise<number> {
  const sql = `SELECT pid FROM pg_stat_activity
    WHERE datname = '${database}' AND wait_event = 'SyncRep'`;
  const look = async (): Promise<number | undefined> => {
    const [row] = await pair.primary.query(sql);
    return row === undefined ? undefined : Number(row['pid']);
  };
  return waitFor(look, { timeoutMs: 60_000, what: 'a commit that waits for the standby' });
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const marker = Symbol('pending');
  const settled = promise.then(
    () => 'done',
    () => 'failed',
  );
  return (await Promise.race([settled, Promise.resolve(marker)])) === marker;
}

test('PostgreSQL log does not open without a synchronous standby unless it is single', async () => {
  const database = await pair.createDatabase();
  await pair.stopStandby();
  await assert.rejects(open(database), { code: 'BCDB_LOG_NOT_DURABLE' });
  pair.primary.configure(["synchronous_standby_names = ''"]);
  pair.primary.reload();
  await pair.startStandby();
  const setting = async (): Promise<boolean> => {
    const [row] = await pair.primary.query('SHOW synchronous_standby_names');
    return row?.['synchronous_standby_names'] === '';
  };
  await waitFor(setting, { timeoutMs: 60_000, what: 'the new setting' });
  await assert.rejects(open(database), { code: 'BCDB_LOG_NOT_DURABLE' });
  {
    await using single = await open(database, { single: true });
    await single.append(batchAt(0, 10));
    await assertHolds(single, 10);
  }
  await pair.useStandby();
  await using engine = await open(database);
  await assertHolds(engine, 10);
});

test('PostgreSQL log does not wait for ever to be opened when the standby goes meanwhile', async () => {
  const database = await pair.createDatabase();
  // Stopped, it is listed as a standby until the server misses its answers.
  pair.standby.pause();
  const opening = assert.rejects(open(database), { code: 'BCDB_LOG_NOT_DURABLE' });
  await waitingCommit(database);
  await pair.stopStandby();
  await opening;
  await pair.startStandby();
  await using engine = await open(database);
  await assertHolds(engine, 0);
});

test('PostgreSQL log stops when the server no longer waits for a standby', async () => {
  const database = await pair.createDatabase();
  await using engine = await open(database, { reconnectMs: 500 });
  await engine.append(batchAt(0, 3));
  pair.primary.configure(["synchronous_standby_names = ''"]);
  pair.primary.reload();
  const setting = async (): Promise<boolean> => {
    const [row] = await pair.primary.query('SHOW synchronous_standby_names');
    return row?.['synchronous_standby_names'] === '';
  };
  await waitFor(setting, { timeoutMs: 60_000, what: 'the new setting' });
  await assert.rejects(engine.append(batchAt(3, 3)), { code: 'BCDB_LOG_STOPPED' });
  await pair.useStandby();
  await using again = await open(database);
  await assertHolds(again, 3);
});

test('PostgreSQL log acknowledges nothing while the standby is cut off', async () => {
  const database = await pair.createDatabase();
  await using engine = await open(database);
  await engine.append(batchAt(0, 10));
  await pair.stopStandby();
  const append = engine.append(batchAt(10, 10));
  await waitingCommit(database);
  assert.ok(await isPending(append));
  assert.equal(engine.head.size, 10);
  assert.equal((await readAll(engine)).length, 10);
  await pair.startStandby();
  await append;
  await assertHolds(engine, 20);
});

test('PostgreSQL log does not believe a commit whose wait was cancelled', async () => {
  const database = await pair.createDatabase();
  await using engine = await open(database);
  await engine.append(batchAt(0, 10));
  await pair.stopStandby();
  const append = engine.append(batchAt(10, 10));
  const pid = await waitingCommit(database);
  await pair.primary.query(`SELECT pg_cancel_backend(${pid})`);
  const isCommitted = async (): Promise<boolean> => {
    const rows = await pair.primary.query('SELECT 1 FROM bcdb_head WHERE size = 20', database);
    return rows.length > 0;
  };
  await waitFor(isCommitted, { timeoutMs: 60_000, what: 'the local commit' });
  assert.ok(await isPending(append));
  assert.equal(engine.head.size, 10, 'the standby does not have it');
  await pair.startStandby();
  await append;
  await assertHolds(engine, 20);
  await engine.append(batchAt(20, 5));
  await assertHolds(engine, 25);
});

test('PostgreSQL log stops when a commit in doubt is not confirmed in time', async () => {
  const database = await pair.createDatabase();
  {
    await using engine = await open(database, { reconnectMs: 300 });
    await pair.stopStandby();
    const append = engine.append(batchAt(0, 10));
    const behind = engine.append(batchAt(10, 10));
    await pair.primary.query(`SELECT pg_cancel_backend(${await waitingCommit(database)})`);
    await assert.rejects(append, { code: 'BCDB_LOG_STOPPED' });
    await assert.rejects(behind, { code: 'BCDB_LOG_STOPPED' });
    assert.equal(engine.head.size, 0);
    await pair.startStandby();
  }
  await using again = await open(database);
  await assertHolds(again, 10);
});

test('PostgreSQL log loses and repeats nothing when its connections are cut again and again', async () => {
  const database = await pair.createDatabase();
  await using engine = await open(database);
  const batches = 40;
  let acknowledged = 0;
  const load = async (): Promise<void> => {
    const running: Promise<number>[] = [];
    for (let i = 0; i < batches; i++) {
      running.push(engine.append(batchAt(i * 5, 5)).then(() => acknowledged++));
      if (running.length >= 4) await running.shift();
    }
    await Promise.all(running);
  };
  const loading = load();
  while (acknowledged < batches - 4) {
    // Each cut finds some progress after the one before.
    const enough = acknowledged + 1;
    await waitFor(() => acknowledged > enough, { timeoutMs: 60_000, what: 'appends to go on' });
    await pair.primary.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`,
    );
  }
  await loading;
  await assertHolds(engine, 200);
});

test('PostgreSQL log loses and repeats nothing when primaries are killed under load', async () => {
  const database = await pair.createDatabase();
  const kills = isLong ? 10 : 3;
  let isOver = false;
  let acknowledged = 0;
  {
    await using engine = await open(database);
    const load = async (): Promise<void> => {
      const running = new Set<Promise<void>>();
      for (let from = 0; !isOver; from += 7) {
        const append = engine.append(batchAt(from, 7)).then(() => {
          acknowledged = from + 7;
          return void running.delete(append);
        });
        running.add(append);
        if (running.size >= 4) await Promise.race(running);
      }
      await Promise.all(running);
    };
    const loading = load();
    for (let i = 0; i < kills; i++) {
      const enough = acknowledged + 70;
      const isGoing = (): boolean => acknowledged > enough;
      await waitFor(isGoing, { timeoutMs: 60_000, what: 'appends to go on' });
      await pair.failOver();
      await pair.addStandby();
    }
    const reached = acknowledged;
    await waitFor(() => acknowledged > reached, { timeoutMs: 60_000, what: 'appends to go on' });
    isOver = true;
    await loading;
    await assertHolds(engine, acknowledged);
  }
  await using again = await open(database);
  await assertHolds(again, acknowledged);
});

test('PostgreSQL log leaves a server that has fallen silent', async () => {
  const database = await pair.createDatabase();
  const wire = await SilentWire.open(pair.primary.port);
  const urls = [wire.url(database), pair.primary.url(database)];
  await using engine = await PostgresLog.open({ urls, log, answerMs: 1_000 });
  await engine.append(batchAt(0, 5));
  wire.fallSilent();
  await engine.append(batchAt(5, 5));
  await engine.append(batchAt(10, 5));
  await assertHolds(engine, 15);
  wire.close();
});

test('PostgreSQL log has nothing of a writer after another took over from it', async () => {
  const database = await pair.createDatabase();
  await using first = await open(database);
  const outcomes: Promise<boolean>[] = [];
  for (let i = 0; i < 20; i++) {
    outcomes.push(
      first.append(batchAt(i * 3, 3)).then(
        () => true,
        (error: unknown) => {
          const isRefusal =
            isGridError(error, 'BCDB_LOG_NOT_WRITER') || isGridError(error, 'BCDB_LOG_STOPPED');
          assert.ok(isRefusal, String(error));
          return false;
        },
      ),
    );
    if (i === 3) await outcomes[i];
  }
  await using second = await open(database);
  const { size } = second.head;
  await second.append(batchAt(size, 2));
  const count = (await Promise.all(outcomes)).filter(Boolean).length;
  assert.ok(count * 3 <= size, `${count * 3} acknowledged, ${size} found`);
  await assertHolds(second, size + 2);
  await assert.rejects(first.append(batchAt(count * 3, 1)), (error) => isGridError(error));
});

test('PostgreSQL log names the first record that is damaged or missing', async () => {
  const database = await pair.createDatabase();
  await using engine = await open(database);
  await engine.append(batchAt(0, 20));
  const damage =
    'UPDATE bcdb_entry SET leaf = set_byte(leaf, 3, 0) WHERE seq = 5; DELETE FROM bcdb_entry WHERE seq IN (9, 10, 19)';
  await pair.primary.query(damage, database);
  await assert.rejects(readAll(engine), (error) => {
    assert.ok(isGridError(error, 'BCDB_LOG_CORRUPT'));
    assert.equal(error.details['seq'], 5);
    return true;
  });
  assert.deepEqual(differences(await readAll(engine, 6, 9), 6), []);
  await assert.rejects(readAll(engine, 19, 20), { code: 'BCDB_LOG_CORRUPT' });
  const found = await Array.fromAsync(engine.verify());
  assert.deepEqual(
    found.map(({ seq, end }) => [seq, end]),
    [
      [5, 6],
      [9, 11],
      [19, 20],
    ],
  );
});

test('PostgreSQL log refuses the database of another log and one that is not there', async () => {
  const database = await pair.createDatabase();
  {
    await using engine = await open(database);
    await engine.append(batchAt(0, 1));
    await assert.rejects(open(database, { log: Buffer.alloc(32, 8) }), { code: 'BCDB_OTHER_LOG' });
    await engine.append(batchAt(1, 1));
  }
  await pair.primary.query('UPDATE bcdb_head SET version = 2', database);
  await assert.rejects(open(database), { code: 'BCDB_LOG_VERSION' });
  await assert.rejects(open('nowhere'), { code: 'BCDB_LOG_UNREACHABLE' });
});

/** Passes bytes on to a server until it stops doing so, as a machine does that loses its power. */
class SilentWire {
  readonly #server: net.Server;
  readonly #sockets: net.Socket[] = [];

  constructor(server: net.Server) {
    this.#server = server;
  }

  static async open(port: number): Promise<SilentWire> {
    const server = net.createServer();
    const wire = new SilentWire(server);
    server.on('connection', (near) => {
      const far = net.connect(port, '127.0.0.1');
      for (const socket of [near, far]) socket.on('error', () => undefined);
      near.pipe(far).pipe(near);
      wire.#sockets.push(near, far);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return wire;
  }

  url(database: string): string {
    const { port } = this.#server.address() as net.AddressInfo;
    return `postgresql://bcdb@127.0.0.1:${port}/${database}`;
  }

  fallSilent(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.unpipe();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
