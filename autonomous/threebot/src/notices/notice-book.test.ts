import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { fakeId } from '@commongrid/model/testing';
import { NoticeBook, noticeTables } from './notice-book.ts';
import type { NewsOfNotices } from './notice-book.ts';
import { keyOf } from './notice.ts';
import type { Finding } from './notice.ts';
import { Patience } from './patience.ts';

function finding(change: Partial<Finding> = {}): Finding {
  return {
    ...{ about: '', code: 'NOTICE_UNPAID', severity: 'urgent', contract: fakeId.contract(1) },
    ...{ message: 'a place is not paid for', next: 'pay', lastsMs: 0 },
    ...change,
  };
}

const nothing: NewsOfNotices = { due: [], over: [], happened: [], told: new Map(), nowMs: 1 };

function openBook(): { readonly book: NoticeBook; readonly db: DatabaseSync } {
  const db = new DatabaseSync(':memory:');
  db.exec(noticeTables);
  return { book: new NoticeBook(db), db };
}

test('a notice is told once as long as it holds, with the newest text', () => {
  const { book, db } = openBook();
  const one = finding();
  book.note({ ...nothing, due: [one] });
  const changesOf = () => Number(db.prepare('SELECT total_changes() AS n').get()?.['n']);
  const before = changesOf();
  book.note({ ...nothing, due: [one] });
  assert.equal(changesOf(), before, 'what is known is not written again');
  book.note({ ...nothing, due: [finding({ message: 'two places are not paid for' })] });
  assert.deepEqual(
    book.list({}).map(({ seq, message }) => [seq, message]),
    [[1, 'two places are not paid for']],
  );
  assert.deepEqual(book.counts, { open: 1, urgent: 1 });
});

test('what was read is shown no more until it was over and holds again', () => {
  const { book } = openBook();
  const one = finding();
  book.note({ ...nothing, due: [one] });
  assert.equal(book.read([1], 5), 1);
  assert.equal(book.read([1], 6), 0);
  book.note({ ...nothing, due: [one] });
  assert.deepEqual(book.list({}), []);
  book.note({ ...nothing, over: [keyOf(one)], nowMs: 9 });
  assert.deepEqual(
    book.list({ all: true }).map(({ readMs, overMs }) => [readMs, overMs]),
    [[5, 9]],
  );
  book.note({ ...nothing, due: [one], nowMs: 10 });
  const [again, ...others] = book.list({});
  assert.deepEqual(others, []);
  assert.deepEqual([again?.atMs, again?.overMs], [10, null]);
  assert.ok(again !== undefined && again.seq > 1, 'whoever follows sees it as a new one');
});

test('what happened is told once, whatever is told of it again', () => {
  const { book } = openBook();
  assert.equal(book.hasBegun, false);
  const moved = finding({ code: 'NOTICE_MOVED', severity: 'info', about: '2' });
  const told = new Map([[moved.contract, 2]]);
  book.note({ ...nothing, happened: [moved], told });
  assert.deepEqual([book.hasBegun, ...book.told()], [true, ...told]);
  book.read([1], 5);
  book.note({ ...nothing, happened: [moved], told });
  assert.deepEqual(book.list({}), []);
  assert.deepEqual(book.open(), new Map(), 'it does not hold, and is never over');
});

test('waiting ends with the next notice', async () => {
  const { book } = openBook();
  const { changed } = book;
  book.note({ ...nothing, due: [finding()] });
  await changed;
  assert.deepEqual(
    book.list({ after: 1 }).map(({ seq }) => seq),
    [],
  );
});

test('what comes and goes is told once it lasts, and is over once it stays away', () => {
  const patience = new Patience();
  const one = finding({ lastsMs: 10_000 });
  const none = new Map();
  const first = patience.judge([one], none, 0);
  assert.deepEqual([first.due, first.waitMs], [[], 10_000]);
  patience.judge([], none, 5_000);
  assert.deepEqual(patience.judge([one], none, 10_000).due, [], 'it was away meanwhile');
  assert.deepEqual(patience.judge([one], none, 20_000).due, [one]);
  const open = new Map([[keyOf(one), { message: '', next: '', lastsMs: 10_000 }]]);
  const away = patience.judge([], open, 21_000);
  assert.deepEqual([away.over, away.waitMs], [[], 15_000]);
  assert.deepEqual(patience.judge([one], open, 22_000).due, [one], 'told once it stays told');
  patience.judge([], open, 23_000);
  assert.deepEqual(patience.judge([], open, 38_000).over, [keyOf(one)]);
  const now = new Map([[keyOf(one), { message: '', next: '', lastsMs: 0 }]]);
  assert.deepEqual(new Patience().judge([], now, 0).over, [keyOf(one)]);
});
