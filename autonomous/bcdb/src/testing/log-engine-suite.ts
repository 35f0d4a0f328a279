import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import type { LogEngine } from '../log/log-engine.ts';
import { payloadBytesMax, saltBytes } from '../record/entry.ts';
import { batchAt, differences, entryAt, headAt, readAll } from './log-entries.ts';

/** One log, empty at first, and ways to use it. */
export interface LogEngineFixture extends AsyncDisposable {
  /** Opens the log to write it. */
  open(): Promise<LogEngine>;
  /** Ends an engine as if its process had been killed; it gives up its place as writer. */
  kill(engine: LogEngine): Promise<void>;
}

/** Tests that every log engine passes. `make` gives a new empty log each time. */
export function logEngineSuite(name: string, make: () => Promise<LogEngineFixture>): void {
  const check = (what: string, body: (fixture: LogEngineFixture) => Promise<void>): void => {
    test(`${name} ${what}`, async () => {
      await using fixture = await make();
      await body(fixture);
    });
  };
  testAppending(check);
  testEnding(check);
  testReading(check);
  testErasing(check);
  testAdding(check);
}

type Check = (what: string, body: (fixture: LogEngineFixture) => Promise<void>) => void;

function testAppending(check: Check): void {
  check('begins empty', async (fixture) => {
    await using engine = await fixture.open();
    assertHead(engine, 0);
    assert.deepEqual(await readAll(engine), []);
  });

  check('gives back what was appended', async (fixture) => {
    await using engine = await fixture.open();
    await engine.append(batchAt(0, 1));
    assertHead(engine, 1);
    await engine.append(batchAt(1, 300));
    assertHead(engine, 301);
    await assertHolds(engine, 301);
  });

  check('ends appends in the order of their calls', async (fixture) => {
    await using engine = await fixture.open();
    const ended: number[] = [];
    const appends: Promise<void>[] = [];
    const appendOne = async (i: number): Promise<void> => {
      await engine.append(batchAt(i * 10, 10));
      assert.ok(engine.head.size >= (i + 1) * 10, 'the head holds what was acknowledged');
      ended.push(i);
    };
    for (let i = 0; i < 30; i++) appends.push(appendOne(i));
    await Promise.all(appends);
    assert.deepEqual(
      ended,
      appends.map((_, i) => i),
    );
    await assertHolds(engine, 300);
  });

  check('keeps the longest body, an empty one and none apart', async (fixture) => {
    await using engine = await fixture.open();
    const { leaf } = entryAt(0);
    const body = Buffer.alloc(saltBytes + payloadBytesMax, 'a long body ');
    const entries = [
      { leaf, body },
      { leaf, body: Buffer.alloc(0) },
      { leaf, body: undefined },
      { leaf, body },
    ];
    await engine.append({ from: 0, entries, head: headAt(4) });
    const found = await readAll(engine);
    assert.deepEqual(
      found.map((one) => one.body?.length),
      [body.length, 0, undefined, body.length],
    );
    assert.equal(Buffer.compare(found[3]?.body ?? Buffer.alloc(0), body), 0);
  });

  check('refuses a batch that does not follow, and goes on', async (fixture) => {
    await using engine = await fixture.open();
    await engine.append(batchAt(0, 5));
    await assertCode(engine.append(batchAt(4, 2)), 'BCDB_LOG_BATCH_INVALID');
    await assertCode(engine.append(batchAt(6, 2)), 'BCDB_LOG_BATCH_INVALID');
    await assertCode(engine.append(batchAt(5, 0)), 'BCDB_LOG_BATCH_INVALID');
    const wrongHead = { ...batchAt(5, 2), head: headAt(8) };
    await assertCode(engine.append(wrongHead), 'BCDB_LOG_BATCH_INVALID');
    await engine.append(batchAt(5, 2));
    await assertHolds(engine, 7);
  });

  check('refuses a body above the limit', async (fixture) => {
    await using engine = await fixture.open();
    const body = Buffer.alloc(saltBytes + payloadBytesMax + 1);
    const entries = [{ leaf: entryAt(0).leaf, body }];
    await assertCode(engine.append({ from: 0, entries, head: headAt(1) }), 'BCDB_TOO_LARGE');
    await engine.append(batchAt(0, 1));
    await assertHolds(engine, 1);
  });
}

function testEnding(check: Check): void {
  check('has everything after it was closed and opened', async (fixture) => {
    for (let round = 0; round < 3; round++) {
      await using engine = await fixture.open();
      assertHead(engine, round * 20);
      await engine.append(batchAt(round * 20, 20));
      await assertHolds(engine, (round + 1) * 20);
    }
  });

  check('finishes what was appended before it closes', async (fixture) => {
    const engine = await fixture.open();
    const appends = [engine.append(batchAt(0, 10)), engine.append(batchAt(10, 10))];
    await engine.close();
    await Promise.all(appends);
    await engine.close();
    await using again = await fixture.open();
    await assertHolds(again, 20);
  });

  check('takes nothing after it was closed', async (fixture) => {
    const engine = await fixture.open();
    await engine.close();
    await assertCode(engine.append(batchAt(0, 1)), 'BASE_CLOSED');
    await assertCode(readAll(engine), 'BASE_CLOSED');
    await assertCode(engine.eraseBodies([]), 'BASE_CLOSED');
  });

  check('keeps what it acknowledged, and whole batches, when it is killed', async (fixture) => {
    for (let round = 0; round < 6; round++) {
      const engine = await fixture.open();
      const { size } = engine.head;
      let acknowledged = size;
      const appends = [0, 1, 2, 3].map((i) => {
        const batch = batchAt(size + i * 7, 7);
        return engine.append(batch).then(
          () => void (acknowledged = batch.head.size),
          () => undefined,
        );
      });
      await Promise.all(appends.slice(0, round % 3));
      await fixture.kill(engine);
      await Promise.all(appends);
      await using again = await fixture.open();
      assert.ok(again.head.size >= acknowledged, 'what was acknowledged is there');
      assert.equal(again.head.size % 7, 0, 'batches are whole');
      await assertHolds(again, again.head.size);
    }
  });

  check('has one writer at a time', async (fixture) => {
    await using first = await fixture.open();
    await first.append(batchAt(0, 3));
    const second = await fixture.open().catch((error: unknown) => {
      assert.ok(isGridError(error, 'BASE_FOLDER_LOCKED'), String(error));
      return undefined;
    });
    if (second === undefined) return;
    await using writer = second;
    await assertCode(first.append(batchAt(3, 3)), 'BCDB_LOG_NOT_WRITER');
    await assertCode(first.append(batchAt(3, 3)), 'BCDB_LOG_STOPPED');
    await writer.append(batchAt(3, 2));
    await assertHolds(writer, 5);
  });
}

function testReading(check: Check): void {
  check('reads any range', async (fixture) => {
    await using engine = await fixture.open();
    for (let size = 0; size < 500; size += 25) await engine.append(batchAt(size, 25));
    const ranges: [number, number][] = [
      ...([0, 24, 25, 26, 499].map((from) => [from, from + 1]) as [number, number][]),
      ...([
        [0, 500],
        [24, 26],
        [13, 377],
        [10, 10],
        [20, 10],
      ] as [number, number][]),
    ];
    for (const [from, to] of ranges) {
      const found = await readAll(engine, from, to);
      assert.equal(found.length, Math.max(0, to - from));
      assert.deepEqual(differences(found, from), []);
    }
    assert.equal((await readAll(engine, 490, 600)).length, 10, 'it ends at the head');
    assert.deepEqual(await readAll(engine, 500, 600), []);
  });

  check('gives many readers the same while it grows', async (fixture) => {
    await using engine = await fixture.open();
    await engine.append(batchAt(0, 200));
    const grow = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await engine.append(batchAt(200 + i * 5, 5));
    };
    const reader = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) await assertHolds(engine, engine.head.size);
    };
    await Promise.all([grow(), reader(), reader(), reader()]);
  });

  check('lets a reader stop early', async (fixture) => {
    await using engine = await fixture.open();
    await engine.append(batchAt(0, 1000));
    for await (const group of engine.read(0, 1000)) {
      assert.ok(group.length > 0);
      break;
    }
    await assertHolds(engine, 1000);
  });
}

function testErasing(check: Check): void {
  check('erases bodies for good and leaves the rest', async (fixture) => {
    const erased = new Set([0, 8, 49, 50, 98]);
    {
      await using engine = await fixture.open();
      for (let size = 0; size < 100; size += 50) await engine.append(batchAt(size, 50));
      await engine.eraseBodies([...erased]);
      assert.deepEqual(differences(await readAll(engine), 0, erased), []);
      await engine.eraseBodies([8]);
      await engine.append(batchAt(100, 10));
    }
    await using engine = await fixture.open();
    const found = await readAll(engine);
    assert.equal(found.length, 110);
    assert.deepEqual(differences(found, 0, erased), []);
  });

  check('refuses to erase what is not there', async (fixture) => {
    await using engine = await fixture.open();
    await engine.append(batchAt(0, 2));
    await assertCode(engine.eraseBodies([2]), 'BCDB_NOT_FOUND');
    await assertHolds(engine, 2);
  });

  check('erases while it is read and written', async (fixture) => {
    await using engine = await fixture.open();
    await engine.append(batchAt(0, 400));
    const erased = new Set([1, 100, 399]);
    const grow = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) await engine.append(batchAt(400 + i * 5, 5));
    };
    const reader = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        const found = await readAll(engine, 0, 400);
        const leaves = differences(found, 0).filter((fault) => !fault.startsWith('body'));
        assert.deepEqual([found.length, leaves], [400, []]);
      }
    };
    await Promise.all([grow(), reader(), engine.eraseBodies([...erased])]);
    assert.deepEqual(differences(await readAll(engine), 0, erased), []);
  });
}

function testAdding(check: Check): void {
  check('puts bodies in where there are none, for good', async (fixture) => {
    const isLate = (seq: number): boolean => entryAt(seq).body !== undefined && seq % 5 !== 0;
    const bodies = Array.from({ length: 900 }, (_, seq) => ({ seq, body: entryAt(seq).body }));
    const late = bodies.flatMap(({ seq, body }) => (body && isLate(seq) ? [{ seq, body }] : []));
    {
      await using engine = await fixture.open();
      for (let size = 0; size < 900; size += 450) {
        const { from, entries, head } = batchAt(size, 450);
        const bare = entries.map(({ leaf, body }, i) => ({
          leaf,
          body: isLate(from + i) ? undefined : body,
        }));
        await engine.append({ from, entries: bare, head });
      }
      await engine.addBodies(late.slice(0, 100));
      const other = { seq: 0, body: Buffer.from('there is one already') };
      await engine.addBodies([...late.slice(90), other]);
      await assertHolds(engine, 900);
      await engine.append(batchAt(900, 10));
    }
    await using engine = await fixture.open();
    await assertHolds(engine, 910);
    for await (const problem of engine.verify()) assert.fail(JSON.stringify(problem));
  });

  check('keeps bodies apart that do not fit together', async (fixture) => {
    await using engine = await fixture.open();
    const { leaf } = entryAt(0);
    const entries = Array.from({ length: 20 }, () => ({ leaf, body: undefined }));
    await engine.append({ from: 0, entries, head: headAt(20) });
    const body = Buffer.alloc(saltBytes + payloadBytesMax, 'a long body ');
    await engine.addBodies(entries.map((_, seq) => ({ seq, body })));
    for (const found of await readAll(engine)) assert.ok(found.body && body.equals(found.body));
    await assertCode(engine.addBodies([{ seq: 20, body }]), 'BCDB_NOT_FOUND');
    await assertCode(
      engine.addBodies([{ seq: 3, body: Buffer.alloc(body.length + 1) }]),
      'BCDB_TOO_LARGE',
    );
  });
}

function assertHead(engine: LogEngine, size: number): void {
  assert.equal(engine.head.size, size);
  assert.equal(Buffer.compare(engine.head.root, headAt(size).root), 0, `root at ${size}`);
}

async function assertHolds(engine: LogEngine, size: number): Promise<void> {
  const found = await readAll(engine, 0, size);
  assert.equal(found.length, size);
  assert.deepEqual(differences(found, 0), []);
}

async function assertCode(work: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isGridError(error, code), `${code} expected, not ${String(error)}`);
    return true;
  });
}
