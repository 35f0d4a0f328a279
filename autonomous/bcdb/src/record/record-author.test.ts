import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextRound } from 'node:timers/promises';
import { GridError, isGridError } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import fc from 'fast-check';
import type { Statement } from './author.ts';
import { checkRecord } from './checked-record.ts';
import type { Entry } from './entry.ts';
import type { Envelope, TreeHead } from './envelope.ts';
import { recordsInFlightMax, RecordAuthor, waitingStatementsMax } from './record-author.ts';
import type { Followed } from './record-author.ts';

const key = SigningKey.generate();
const log = 'A'.repeat(43);

interface Line {
  readonly entry: Entry;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: Error) => void;
}

/** Judges in order, in turns of some records, as the sequencer does; answers of turns may cross. */
class ToyLog {
  readonly accepted: Envelope[] = [];
  readonly heads = new Map<string, Followed>();
  /** Turns, by how many records each took. */
  readonly turns: number[] = [];
  /** What authors are told to name; and whether records without it are refused. */
  seen: TreeHead | undefined;
  isSeenDemanded = false;
  failAfter = Number.POSITIVE_INFINITY;
  readonly #line: Line[] = [];
  readonly #judgedWith = new Map<number, string>();
  readonly #refused: ReadonlySet<string>;
  readonly #turnSizes: readonly number[];
  readonly #delays: readonly number[];
  #isTurnDue = false;

  /** Sizes of turns, and how many rounds of the event loop their answers take, over and over. */
  constructor(
    refused: readonly string[],
    turnSizes: readonly number[],
    delays: readonly number[] = [0],
  ) {
    this.#refused = new Set(refused);
    this.#turnSizes = turnSizes;
    this.#delays = delays;
  }

  author(): RecordAuthor<number> {
    return new RecordAuthor<number>({
      key,
      log,
      lastN: () => this.accepted.length,
      headOf: ({ obj }) => this.heads.get(obj),
      seenFor: () => this.seen,
      append: (entry) =>
        new Promise((resolve, reject) => {
          this.#line.push({ entry, resolve, reject });
          this.#wantTurn();
        }),
    });
  }

  #wantTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      this.#turn();
      if (this.#line.length > 0) this.#wantTurn();
    });
  }

  #turn(): void {
    const size = this.#turnSizes[this.turns.length % this.#turnSizes.length] ?? 1;
    const taken = this.#line.splice(0, size);
    const delay = this.#delays[this.turns.length % this.#delays.length] ?? 0;
    this.turns.push(taken.length);
    const answers = taken.map(({ entry, resolve, reject }) => {
      const isFailing = this.accepted.length >= this.failAfter;
      const problem = isFailing ? 'BCDB_LOG_STOPPED' : this.#judge(entry);
      const seq = this.accepted.length - 1;
      return () => (problem === undefined ? resolve(seq) : reject(refusal(problem)));
    });
    void answerAfter(delay, answers);
  }

  #judge(entry: Entry): string | undefined {
    const { envelope, version } = checkRecord(entry);
    const { n, obj, prev, op, seen } = envelope;
    const last = this.accepted.length;
    if (n <= last) {
      assert.fail(`counter ${n} was used for ${String(this.#judgedWith.get(n))} already`);
    }
    if (n > last + 1) return 'BCDB_COUNTER_GAP';
    if (this.isSeenDemanded && seen === undefined) return 'BCDB_SEEN_MISSING';
    if (this.#refused.has(obj)) return 'BCDB_DENIED';
    if (this.heads.get(obj)?.version !== prev) return 'BCDB_CONFLICT';
    this.#judgedWith.set(n, version);
    this.heads.set(obj, { version, isLive: op === 'put' });
    this.accepted.push(envelope);
    return undefined;
  }
}

/** Answers after so many rounds of the event loop. */
async function answerAfter(rounds: number, answers: readonly (() => void)[]): Promise<void> {
  for (let i = 0; i < rounds; i++) await nextRound();
  for (const answer of answers) answer();
}

function refusal(code: string): GridError {
  return new GridError(code, code);
}

function put(obj: string, prev?: string): Statement {
  return { ns: 'n', op: 'put', url: 'a.b.1', obj, prev, payload: Buffer.from('1') };
}

async function codesOf(results: readonly Promise<unknown>[]): Promise<readonly string[]> {
  const settled = await Promise.allSettled(results);
  return settled.map((one) => {
    if (one.status === 'fulfilled') return 'ok';
    return isGridError(one.reason) ? one.reason.code : String(one.reason);
  });
}

test('record author has all records accepted that are not refused, once and in order', async () => {
  const ids = fc.constantFrom('a', 'b', 'c', 'd', 'bad1', 'bad2');
  await fc.assert(
    fc.asyncProperty(
      fc.array(ids, { maxLength: 60 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 }),
      async (objects, turnSizes, delays) => {
        const toy = new ToyLog(['bad1', 'bad2'], turnSizes, delays);
        const author = toy.author();
        const codes = await codesOf(objects.map((obj) => author.write(put(obj))));
        const wanted = objects.map((obj) => (obj.startsWith('bad') ? 'BCDB_DENIED' : 'ok'));
        assert.deepEqual(codes, wanted);
        const good = objects.filter((obj) => !obj.startsWith('bad'));
        assert.deepEqual(
          toy.accepted.map(({ obj }) => obj),
          good,
        );
        assert.deepEqual(
          toy.accepted.map(({ n }) => n),
          good.map((_, i) => i + 1),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('record author sends records that nobody refuses without waiting for answers', async () => {
  const toy = new ToyLog([], [recordsInFlightMax]);
  const author = toy.author();
  await Promise.all(Array.from({ length: 64 }, (_, i) => author.write(put(`o${i % 3}`))));
  assert.deepEqual(toy.turns, [64]);
});

test('record author says which version a record followed', async () => {
  const toy = new ToyLog([], [2]);
  const author = toy.author();
  const removal: Statement = { ns: 'n', op: 'del', url: 'a.b.1', obj: 'x' };
  const written = await Promise.all(
    [put('x'), put('x'), removal, put('x')].map((one) => author.write(one)),
  );
  assert.deepEqual(
    written.map(({ followed }) => followed?.isLive),
    [undefined, true, true, false],
  );
});

test('record author follows an object that others change meanwhile', async () => {
  const toy = new ToyLog([], [8]);
  const author = toy.author();
  const written = author.write(put('x'));
  const theirs = 'B'.repeat(42) + 'A';
  toy.heads.set('x', { version: theirs, isLive: true });
  assert.deepEqual((await written).followed, { version: theirs, isLive: true });
});

test('record author names the head that it is given, also when the log asks for it later', async () => {
  const toy = new ToyLog([], [8]);
  const seen = { size: 3, root: 'C'.repeat(42) + 'A' };
  const author = toy.author();
  await author.write(put('x'));
  assert.equal(toy.accepted[0]?.seen, undefined);
  toy.isSeenDemanded = true;
  const late = author.write(put('y'));
  toy.seen = seen;
  await late;
  assert.deepEqual(toy.accepted.at(-1)?.seen, seen);
});

test('record author gives a conflict to who named the version', async () => {
  const toy = new ToyLog([], [8]);
  const author = toy.author();
  const other = 'C'.repeat(42) + 'A';
  const codes = await codesOf([author.write(put('x', other)), author.write(put('y'))]);
  assert.deepEqual(codes, ['BCDB_CONFLICT', 'ok']);
});

test('record author signs no more once it is not known what became of a record', async () => {
  const toy = new ToyLog([], [4]);
  toy.failAfter = 3;
  const author = toy.author();
  const codes = await codesOf(['a', 'b', 'c', 'd', 'e'].map((obj) => author.write(put(obj))));
  assert.deepEqual(codes, ['ok', 'ok', 'ok', 'BCDB_LOG_STOPPED', 'BCDB_LOG_STOPPED']);
  toy.failAfter = Number.POSITIVE_INFINITY;
  assert.deepEqual(await codesOf([author.write(put('f'))]), ['BCDB_LOG_STOPPED']);
  assert.equal(toy.accepted.length, 3);
});

test('record author refuses statements beyond its limit', async () => {
  const toy = new ToyLog([], [recordsInFlightMax]);
  const author = toy.author();
  const count = waitingStatementsMax + recordsInFlightMax + 1;
  const writes = Array.from({ length: count }, () => author.write(put('x')));
  await assert.rejects(writes.at(-1) ?? Promise.resolve(), { code: 'BCDB_BUSY' });
  assert.equal((await codesOf(writes)).filter((code) => code === 'ok').length, count - 1);
});
