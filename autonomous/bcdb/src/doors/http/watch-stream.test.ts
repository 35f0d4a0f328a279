import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GridError } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import type { ObjectChange } from '../../projection/object-row.ts';
import { keepAliveMs, parsePlace, watchEvents, watcherLagMs } from './watch-stream.ts';
import type { WatchEventsOptions } from './watch-stream.ts';

function change(seq: number, obj: string): ObjectChange {
  return {
    kind: 'put',
    url: 'net.example.contact.1',
    obj,
    seq,
    origin: seq,
    version: 'v',
    author: 'a',
    at: 0,
    schema: undefined,
    payload: '{}',
  };
}

async function* listed(changes: readonly ObjectChange[]): AsyncGenerator<ObjectChange, void> {
  yield* changes;
}

function events(options: Partial<WatchEventsOptions>): AsyncGenerator<string, void> {
  return watchEvents({
    changes: listed([]),
    place: undefined,
    mayRead: () => true,
    clock: new ManualClock(),
    ...options,
  });
}

async function idsOf(stream: AsyncIterable<string>): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const text of stream) ids.push(/^id: (?<id>.*)$/m.exec(text)?.groups?.['id'] ?? '-');
  return ids;
}

test('a place is a record, and how many of its changes were seen', () => {
  assert.deepEqual(parsePlace('12'), { seq: 12, seen: undefined });
  assert.deepEqual(parsePlace('12.0'), { seq: 12, seen: 1 });
  for (const text of ['', 'x', '1.', '-1', '1.2.3']) assert.equal(parsePlace(text), undefined);
});

test('a watch leaves out what its watcher has seen, and no more', async () => {
  const changes = () => listed([change(5, 'a'), change(5, 'b'), change(5, 'c'), change(6, 'd')]);
  const from = (text: string) => idsOf(events({ changes: changes(), place: parsePlace(text) }));
  assert.deepEqual(await idsOf(events({ changes: changes() })), ['-', '5.0', '5.1', '5.2', '6.0']);
  assert.deepEqual(await from('5.1'), ['-', '5.2', '6.0']);
  assert.deepEqual(await from('5'), ['-', '6.0']);
});

test('the places of hidden changes are counted too', async () => {
  const changes = listed([change(5, 'a'), change(5, 'b')]);
  const stream = events({ changes, mayRead: ({ obj }) => obj === 'b' });
  assert.deepEqual(await idsOf(stream), ['-', '5.1']);
});

test('a watcher hears something while nothing happens', async () => {
  const clock = new ManualClock();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  async function* late(): AsyncGenerator<ObjectChange, void> {
    await promise;
    yield change(1, 'a');
  }
  const stream = events({ changes: late(), clock });
  await stream.next();
  const silent = stream.next();
  await clock.advance(keepAliveMs);
  assert.equal((await silent).value, ': still here\n\n');
  resolve(undefined);
  assert.match((await stream.next()).value ?? '', /^id: 1\.0\n/);
});

test('a watcher that takes nothing for too long is cut and told why', async () => {
  const clock = new ManualClock();
  const stream = events({ changes: listed([change(1, 'a'), change(2, 'b')]), clock });
  await stream.next();
  await stream.next();
  await clock.advance(watcherLagMs + 1);
  const { value } = await stream.next();
  assert.match(value ?? '', /^event: cut\ndata: .*"BCDB_WATCHER_LAGS"/);
  assert.equal((await stream.next()).done, true);
});

test('a watch tells of what ended it, except that its watcher has gone', async () => {
  async function* failing(code: string): AsyncGenerator<ObjectChange, void> {
    yield change(1, 'a');
    throw new GridError(code, 'ended');
  }
  const told = events({ changes: failing('BCDB_PROJECTION_STOPPED') });
  const texts: string[] = [];
  for await (const text of told) texts.push(text);
  assert.match(texts.at(-1) ?? '', /^event: cut\n.*BCDB_PROJECTION_STOPPED/);
  assert.deepEqual(await idsOf(events({ changes: failing('BASE_ABORTED') })), ['-', '1.0']);
});
