import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import fc from 'fast-check';
import type { Bot } from '../src/index.ts';
import { counting } from './support/counting.ts';
import { Grid } from './support/grid.ts';
import type { Self } from './support/grid.ts';
import { RawLink } from './support/raw-link.ts';

const patience = { timeoutMs: 60_000, everyMs: 20 };

/** A link that has greeted. */
async function greeted(grid: Grid, bot: Bot, self: Self): Promise<RawLink> {
  const link = await RawLink.open(bot.address, self.device);
  const { log } = grid.trust;
  link.send({ t: 'hello', v: 1, log, bot: self.id, checkpoint: grid.bcdb.signedHead().note });
  assert.equal((await link.next())?.['t'], 'hello');
  return link;
}

test('hostile frames end their own link, and nothing else', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const b = await grid.bot(bob, { actors: [counting] });
  const a = await grid.bot(await grid.self('carl'));
  const client = a.client(counting, b.id);
  const call = { t: 'call', id: 1, method: 'counting.echo', input: { text: 'x' } };
  const hostile = fc.oneof(
    fc.string(),
    fc.json(),
    fc.uint8Array({ maxLength: 64 }),
    fc.constantFrom(
      ...['', '{', '[]', 'null', '{"t":"hello"}', '{"t":"call"}', '{"t":"answer","id":-1}'],
      '[['.repeat(5_000),
      JSON.stringify({ ...call, id: 2 ** 60 }),
      JSON.stringify({ ...call, method: 'x'.repeat(81) }),
      JSON.stringify({ ...call, more: 1 }),
      JSON.stringify({ t: 'failure', id: 1, error: { code: 'lower' } }),
      JSON.stringify({ t: 'refused', error: {} }),
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 4 }), async (frames) => {
      using link = await greeted(grid, b, anna);
      for (const frame of frames) link.socket.send(frame);
      await link.ended();
    }),
    { numRuns: 25 },
  );
  assert.deepEqual(await client.echo({ text: 'still here' }), { text: 'still here' });
  await waitFor(() => b.links.size === 1, { what: 'hostile links to be gone', ...patience });
});

test('answers to nothing, and calls with one number, are not believed', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const b = await grid.bot(bob, { actors: [counting] });
  using link = await greeted(grid, b, anna);
  link.send({ t: 'answer', id: 99, output: 'nobody asked' });
  link.send({ t: 'cancel', id: 99 });
  link.send({ t: 'call', id: 1, method: 'counting.echo', input: { text: 'x' } });
  assert.deepEqual(await link.next(), { t: 'answer', id: 1, output: { text: 'x' } });
  const hang = { t: 'call', id: 2, method: 'counting.hang', input: {} };
  link.send(hang);
  link.send(hang);
  await link.ended();
});

test('a peer has so many calls under way, and so many a second', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const limits = { callsMax: 4, callsBurst: 10, callsPerSecond: 0.001 };
  const b = await grid.bot(bob, { actors: [counting], limits });
  const a = await grid.bot(anna);
  const client = a.client(counting, b.id);
  const stop = new AbortController();
  const hanging = Array.from({ length: 4 }, () =>
    client.hang({}, { signal: stop.signal }).catch(() => undefined),
  );
  await waitFor(
    async () => {
      const code = await client.echo({ text: 'x' }).then(
        () => '',
        (error: unknown) => (isGridError(error) ? error.code : ''),
      );
      return code === 'BOT_BUSY';
    },
    { what: 'the calls to be under way', ...patience },
  );
  stop.abort();
  await Promise.all(hanging);
  const codes = new Set<string>();
  const drain = async (): Promise<boolean> => {
    await client.echo({ text: 'x' }).catch((error: unknown) => {
      if (isGridError(error)) codes.add(error.code);
    });
    return codes.has('BOT_RATE_EXCEEDED');
  };
  await waitFor(drain, { what: 'the rate to be reached', ...patience });
});

test('who does not greet, or says nothing, is not waited for', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  // Time for TLS is the same: it has to do on a busy machine.
  const hasty = await grid.bot(await grid.self('hal'), { limits: { greetingMs: 4_000 } });
  // A connection without so much as TLS.
  const { host, port } = hasty.httpAddress;
  const bare = connect(port, host);
  bare.on('error', () => {});
  const ended = once(bare, 'close');
  using silent = await RawLink.open(hasty.address, anna.device);
  assert.equal(await silent.refusal(), 'BASE_TIMEOUT');
  await Promise.all([silent.ended(), ended]);
  const b = await grid.bot(bob, { limits: { pingMs: 200 } });
  // A link whose other end stops to read gives no sign of life either.
  using stuck = await greeted(grid, b, anna);
  stuck.socket.pause();
  await waitFor(() => b.links.size === 0, { what: 'the link to be cut', ...patience });
});

test('a peer that does not take its answers is cut off', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  // No sign of life is asked for meanwhile: it is what was not taken that ends the link.
  const limits = { unsentBytesMax: 2 ** 20, pingMs: 600_000 };
  const b = await grid.bot(bob, { actors: [counting], limits });
  using link = await greeted(grid, b, anna);
  link.socket.pause();
  const input = { length: 500_000 };
  for (let id = 1; id <= 60; id++) link.send({ t: 'call', id, method: 'counting.big', input });
  await waitFor(() => b.links.size === 0, { what: 'the link to be cut', ...patience });
});

test('a frame above the limit ends the link before it is read', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const b = await grid.bot(bob, { actors: [counting] });
  using link = await greeted(grid, b, anna);
  link.send('x'.repeat(2 ** 20 + 1));
  await link.ended();
  const a = await grid.bot(anna);
  const small = a.client(counting, b.id).echo({ text: 'x'.repeat(2 ** 20) });
  await assert.rejects(small, hasCode('BOT_TOO_LARGE'));
});
