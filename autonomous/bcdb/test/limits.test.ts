import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { LogWaiters } from '../src/doors/resp/log-waiters.ts';
import type { Where } from '../src/projection/find-query.ts';
import { payloadBytesMax } from '../src/record/entry.ts';
import { contact, ownerToken, serveTeam } from './http-fixture.ts';
import { openNotes, signNote, writeNotes } from './support/notes.ts';

test('questions that ask too much are refused, and the next one is answered', async (t) => {
  const { url } = await serveTeam(t);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${ownerToken}` };
  const ask = async (path: string, question: object): Promise<string> => {
    const body = JSON.stringify(question);
    const reply = await fetch(`${url}/v1/namespaces/team/${path}`, {
      method: 'POST',
      headers,
      body,
    });
    const { code } = (await reply.json()) as { readonly code?: string };
    return code ?? String(reply.status);
  };
  const find = (where: Where, more: object = {}): Promise<string> =>
    ask('find', { url: contact, where, ...more });
  const isAda: Where = { field: 'name', op: 'eq', value: 'Ada' };
  const nested = (depth: number): Where => (depth === 0 ? isAda : { and: [nested(depth - 1)] });
  const within = (count: number): Where => ({
    field: 'name',
    op: 'in',
    value: Array.from({ length: count }, (_, at) => `n${at}`),
  });
  const either = (count: number): Where => ({ or: Array.from({ length: count }, () => isAda) });
  assert.equal(await find(either(99)), '200');
  assert.equal(await find(either(100)), 'BCDB_QUERY_INVALID');
  assert.equal(await find(nested(15)), '200');
  assert.equal(await find(nested(17)), 'BCDB_QUERY_INVALID');
  assert.equal(await find(within(1000)), '200');
  assert.equal(await find(within(1001)), 'BCDB_QUERY_INVALID');
  const cursor = 'A'.repeat((2 << 20) + 1);
  assert.match(await find(isAda, { cursor }), /^BCDB_(?:REQUEST|QUERY|CURSOR)_INVALID$/);

  const sql = 'SELECT 1 AS one';
  assert.equal(await ask('sql', { sql }), '200');
  assert.equal(await ask('sql', { sql: sql.padEnd(64 * 1024 + 1) }), 'BCDB_REQUEST_INVALID');
  const parameters = Array<number>(1001).fill(1);
  assert.equal(await ask('sql', { sql, parameters }), 'BCDB_REQUEST_INVALID');
  assert.equal(await ask('search', { text: 'a'.repeat(4097) }), 'BCDB_REQUEST_INVALID');
  assert.equal(await find(isAda), '200');
});

test('statements beyond those that may wait are told that it is busy, and the others are run', async (t) => {
  const { bcdb } = await serveTeam(t);
  const asked = Array.from({ length: 200 }, () =>
    bcdb.projection.sql('team', 'SELECT 1 AS one').then(
      () => 'run',
      (error: unknown) => {
        if (isGridError(error, 'BCDB_PROJECTION_BUSY')) return 'busy';
        throw error;
      },
    ),
  );
  const replies = await Promise.all(asked);
  const count = (what: string): number => replies.filter((reply) => reply === what).length;
  assert.ok(count('run') >= 64, `${count('run')} were run`);
  assert.ok(count('busy') > 0);
  assert.deepEqual((await bcdb.projection.sql('team', 'SELECT 1 AS one')).rows.length, 1);
});

test('records beyond the room for those that wait are told that it is busy, and the log goes on', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await openNotes({ dataDir: folder.path, owner });
  const outcome = (entry: Parameters<typeof bcdb.append>[0]): Promise<string> =>
    bcdb.append(entry).then(
      () => 'taken',
      (error: unknown) => (isGridError(error) ? error.code : String(error)),
    );
  // One record that everybody holds: what counts is what waits, not what there is in memory.
  const large = signNote(bcdb, owner, { obj: 'large', value: 'x'.repeat(payloadBytesMax - 2) });
  const outcomes = await Promise.all(Array.from({ length: 300 }, () => outcome(large)));
  const busy = outcomes.filter((code) => code === 'BCDB_BUSY').length;
  assert.ok(busy >= 300 - 256 && busy < 300, `${busy} of 300 were busy`);

  const small = signNote(bcdb, SigningKey.generate(), { obj: 'small', value: { text: 'a' } });
  const many = await Promise.all(Array.from({ length: 20_100 }, () => outcome(small)));
  const turned = many.filter((code) => code === 'BCDB_BUSY').length;
  assert.ok(turned >= 1 && turned <= 100, `${turned} of 20,100 were busy`);
  await writeNotes(bcdb, 1, 'after');
});

test('connections beyond those that may wait for records are told so, and have room once others go', async () => {
  await using folder = await tempFolder();
  await using bcdb = await openNotes({ dataDir: folder.path, owner: SigningKey.generate() });
  const waiters = new LogWaiters(bcdb);
  const leaving = new AbortController();
  const { size } = bcdb.head;
  const wait = (): Promise<void> => waiters.past(size + 1_000, ['other'], leaving.signal);
  const waiting = Promise.allSettled(Array.from({ length: 1_000 }, () => wait()));
  assert.equal(waiters.count, 1_000);
  await assert.rejects(wait(), { code: 'BCDB_BUSY' });
  leaving.abort();
  const left = await waiting;
  assert.ok(left.every(({ status }) => status === 'rejected'));
  assert.equal(waiters.count, 0);
  await waiters.past(size - 1, ['other'], AbortSignal.timeout(60_000));
});
