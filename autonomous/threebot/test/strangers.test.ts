import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import type { Bot, BotLimits } from '../src/index.ts';
import { counting } from './support/counting.ts';
import { Grid } from './support/grid.ts';
import { RawLink } from './support/raw-link.ts';

const hours = 3_600_000;
const patience = { timeoutMs: 60_000, everyMs: 50 };

/** Strangers come from another address than the bots of the test. */
const elsewhere = '127.0.0.2';

async function attacked(
  t: Parameters<typeof Grid.open>[0],
  limits: Partial<BotLimits>,
): Promise<{ readonly grid: Grid; readonly target: Bot; readonly friend: Bot }> {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const target = await grid.bot(bob, { actors: [counting], limits });
  return { grid, target, friend: await grid.bot(anna) };
}

test('strangers cost the database a bounded number of questions', async (t) => {
  const { grid, target, friend } = await attacked(t, {
    ...{ strangersBurst: 3, strangersPerSecond: 1e-6, strangerKeptMs: hours, greetingMs: hours },
  });
  const checkpoint = grid.bcdb.signedHead().note;
  const greet = async (key: SigningKey, from = elsewhere): Promise<unknown> => {
    using link = await RawLink.open(target.address, key, from);
    const bot = key.publicKey.text.replace('ed25519:', 'bot:');
    link.send({ t: 'hello', v: 1, log: grid.trust.log, bot, checkpoint });
    return await link.refusal();
  };
  const first = SigningKey.generate();
  // Once asked for, it is remembered: it may come as often as it likes.
  for (let n = 0; n < 5; n++) assert.equal(await greet(first), 'BOT_SENDER_UNKNOWN');
  assert.equal(await greet(SigningKey.generate()), 'BOT_SENDER_UNKNOWN');
  assert.equal(await greet(SigningKey.generate()), 'BOT_SENDER_UNKNOWN');
  for (let n = 0; n < 3; n++) {
    assert.equal(await greet(SigningKey.generate()), 'BOT_RATE_EXCEEDED');
  }
  assert.equal(await greet(first), 'BOT_SENDER_UNKNOWN');
  // Others are not held up by that.
  assert.equal(await greet(SigningKey.generate(), '127.0.0.3'), 'BOT_SENDER_UNKNOWN');
  assert.deepEqual(await friend.client(counting, target.id).echo({ text: 'x' }), { text: 'x' });
});

test('greetings that hang take places of their address, and none of links', async (t) => {
  const limits = { greetingMs: hours, greetingsPerAddressMax: 3, linksMax: 1 };
  const { target, friend } = await attacked(t, limits);
  await using stack = new AsyncDisposableStack();
  const come = async (from: string) =>
    stack.use(await RawLink.open(target.address, undefined, from));
  for (let n = 0; n < 3; n++) await come(elsewhere);
  await waitFor(() => target.links.arrivingCount === 3, { what: 'three greetings', ...patience });
  assert.equal(await (await come(elsewhere)).refusal(), 'BOT_BUSY');
  const { echo } = friend.client(counting, target.id);
  assert.deepEqual(await echo({ text: 'x' }), { text: 'x' });
  assert.equal(target.links.size, 1);
});
