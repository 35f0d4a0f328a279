import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { Gate, hasCode } from '@commongrid/base/testing';
import { Bot } from '../src/index.ts';
import { counting } from './support/counting.ts';
import { Grid } from './support/grid.ts';

const patience = { timeoutMs: 60_000, everyMs: 100 };

/** Each answer of the database is old at once; greetings may wait for one that does not come. */
const limits = { recordFreshMs: 1, recordStaleMs: 1, greetingMs: 120_000 };

function databaseOf(bot: Bot): Promise<string> {
  return bot
    .call('bot.status', {})
    .then((status) => (status as { database: { state: string } }).database.state);
}

test('a bot starts while its database is away, and speaks with those whom it knows', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob, carl] = [
    await grid.self('anna'),
    await grid.self('bob'),
    await grid.self('carl'),
  ];
  await using gate = await Gate.open(Number(new URL(grid.url).port));
  const options = { actors: [counting], url: gate.url, limits };
  const a = await grid.bot(anna, options);
  const first = await grid.bot(bob, options);
  await a.call('people.allow', { bot: bob.id, standing: 'circle' });
  await first.client(counting, a.id).read({});
  await first.close();

  gate.shut();
  const b = await Bot.open(grid.optionsOf(bob, options));
  t.after(() => b.close());
  assert.notEqual(await databaseOf(b), 'there');
  const client = b.client(counting, a.id);
  assert.deepEqual(await client.who({}), { bot: b.id, standing: 'known', way: 'link' });
  assert.equal(await databaseOf(b), 'away');
  assert.equal(await databaseOf(a), 'away');
  b.send({ to: a.id, kind: 'counting.note', body: { n: 7 } });
  await waitFor(() => b.letterCount === 0, { what: 'a letter to come', ...patience });
  const [{ n, times } = {}] = (await a.call('counting.read', {})) as { n: number; times: number }[];
  assert.deepEqual([n, times], [7, 1]);
  // Who is of a circle may have lost his key since, and whom nobody knows stays unknown.
  await assert.rejects(client.read({}), hasCode('BOT_RECORD_STALE'));
  await assert.rejects(b.linkTo(carl.id), hasCode('BOT_RECORD_STALE'));
  // A letter that needs more rights waits until then.
  b.send({ to: a.id, kind: 'counting.read', body: {} });

  gate.unshut();
  const isRead = (): Promise<boolean> =>
    client.read({}).then(
      () => true,
      (error: unknown) => {
        assert.ok(isGridError(error) && error.retryable, String(error));
        return false;
      },
    );
  await waitFor(isRead, { what: 'the database to be back', ...patience });
  await waitFor(() => b.letterCount === 0, { what: 'the other letter', ...patience });
  for (const bot of [a, b]) {
    await bot.publish();
    assert.equal(await databaseOf(bot), 'there');
  }
});

test('what was known too long ago counts for nothing', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  await using gate = await Gate.open(Number(new URL(grid.url).port));
  const options = { url: gate.url, limits: { ...limits, recordKeptMs: 1 } };
  const a = await grid.bot(anna, options);
  const first = await grid.bot(bob, options);
  await first.linkTo(a.id);
  await first.close();
  gate.shut();
  const b = await Bot.open(grid.optionsOf(bob, options));
  t.after(() => b.close());
  await assert.rejects(b.linkTo(a.id), hasCode('BOT_RECORD_STALE'));
});
