import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { boxToText, SigningKey } from '@commongrid/crypto';
import { hasCode } from '@commongrid/base/testing';
import type { Bot } from '../src/index.ts';
import { sealMessage } from '../src/mailbox/message.ts';
import type { Message } from '../src/mailbox/message.ts';
import { counting } from './support/counting.ts';
import { Grid, ownerTokenOf } from './support/grid.ts';
import { sealingKeyOf } from './support/phonebook-records.ts';
import { ownerCall } from './support/owner-call.ts';

const patience = { timeoutMs: 60_000, everyMs: 50 };

async function counted(bot: Bot, token: string): Promise<unknown> {
  return ownerCall(bot, token, 'counting.read', {});
}

test('messages to a bot that is away come when it is back, once each', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const options = { actors: [counting] };
  let b = await grid.bot(bob, options);
  await b.close();
  const a = await grid.bot(anna, options);
  for (let n = 1; n <= 5; n++) a.send({ to: b.id, kind: 'counting.note', body: { n } });
  assert.equal(a.letterCount, 5);
  // They outlive their sender's process.
  await a.close();
  const again = await grid.bot(anna, options);
  assert.equal(again.letterCount, 5);
  b = await grid.bot(bob, options);
  await waitFor(() => again.letterCount === 0, { what: 'the letters to come', ...patience });
  const expected = [1, 2, 3, 4, 5].map((n) => ({ n, times: 1 }));
  assert.deepEqual(await counted(b, ownerTokenOf(bob)), expected);
});

test('a letter that is refused for good says so, and holds up no other', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const options = { actors: [counting] };
  const a = await grid.bot(anna, options);
  const b = await grid.bot(bob, options);
  const to = b.id;
  a.send({ to, kind: 'counting.note', body: { n: 'one' } });
  a.send({ to, kind: 'counting.read', body: {} });
  a.send({ to, kind: 'counting.echo', body: { text: 'x' } });
  a.send({ to, kind: 'counting.none', body: {} });
  a.send({ to, kind: 'counting.note', body: { n: -1 } });
  a.send({ to, kind: 'counting.note', body: { n: 1 } });
  const token = ownerTokenOf(anna);
  const status = () =>
    ownerCall(a, token, 'bot.status', {}) as Promise<{
      readonly letters: number;
      readonly refused: readonly { readonly why: string }[];
    }>;
  await waitFor(async () => (await status()).refused.length === 5, {
    what: 'refusals',
    ...patience,
  });
  const { letters, refused } = await status();
  assert.equal(letters, 5);
  assert.deepEqual(refused.map(({ why }) => why).toSorted(), [
    ...['BOT_INPUT_INVALID', 'BOT_METHOD_UNKNOWN', 'BOT_NOT_PERMITTED', 'BOT_NOT_PERMITTED'],
    'COUNTING_NEGATIVE',
  ]);
  assert.deepEqual(await counted(b, ownerTokenOf(bob)), [{ n: 1, times: 1 }]);
  const bad = { to: 'bot:x', kind: 'counting.note', body: {} };
  assert.throws(() => a.send(bad), hasCode('BOT_MESSAGE_INVALID'));
  const large = { to, kind: 'counting.note', body: 'x'.repeat(2 ** 18) };
  assert.throws(() => a.send(large), hasCode('BOT_TOO_LARGE'));
});

test('each thing that can be wrong with a message has its code', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob, carl] = [
    await grid.self('anna'),
    await grid.self('bob'),
    await grid.self('carl'),
  ];
  const b = await grid.bot(bob, { actors: [counting] });
  // Carl brings what others wrote: a relay could be anybody.
  const link = await (await grid.bot(carl)).linkTo(b.id);
  const { log } = grid.trust;
  const receiver = sealingKeyOf(bob.device).publicKey.text;
  const bring = async (message: Message, key: SigningKey, to = receiver): Promise<string> => {
    const box = await sealMessage(message, key, { receiver: to, bytesMax: 2 ** 20 });
    return link.call('mailbox.deliver', { box: boxToText(box) }).then(
      () => 'taken',
      (error: unknown) => (isGridError(error) ? error.code : String(error)),
    );
  };
  let lastId = 0;
  const letter = (change: Partial<Message> = {}): Message => ({
    ...{ log, to: bob.id, from: anna.id, id: String(++lastId).padStart(22, '0') },
    ...{ expMs: Date.now() + 60_000, kind: 'counting.note', body: { n: 1 } },
    ...change,
  });
  const first = letter();
  assert.equal(await bring(first, anna.device), 'taken');
  assert.equal(await bring(first, anna.device), 'BOT_MESSAGE_REPLAYED');
  assert.equal(await bring(letter({ expMs: Date.now() - 1 }), anna.device), 'BOT_MESSAGE_EXPIRED');
  const endless = letter({ expMs: Date.now() + 86_400_000_000 });
  assert.equal(await bring(endless, anna.device), 'BOT_MESSAGE_EXPIRED');
  assert.equal(await bring(letter(), SigningKey.generate()), 'BOT_KEY_WRONG');
  assert.equal(await bring(letter(), carl.device), 'BOT_KEY_WRONG');
  const sealed = sealingKeyOf(carl.device).publicKey.text;
  assert.equal(await bring(letter(), anna.device, sealed), 'BOT_MESSAGE_INVALID');
  const otherLog = letter({ log: 'M'.repeat(43) });
  assert.equal(await bring(otherLog, anna.device), 'BOT_MESSAGE_INVALID');
  const stranger = SigningKey.generate();
  const nobody = stranger.publicKey.text.replace('ed25519:', 'bot:');
  assert.equal(await bring(letter({ from: nobody }), stranger), 'BOT_SENDER_UNKNOWN');
  const large = letter({ body: 'x'.repeat(2 ** 18) });
  assert.equal(await bring(large, anna.device), 'BOT_TOO_LARGE');
  const ended = { ...grid.listed(anna.device, anna.id), ended: 'compromised' as const };
  await grid.write(anna.root, grid.recordOf(anna, { keys: [ended] }));
  const late = async (): Promise<boolean> =>
    (await bring(letter({ body: { n: 2 } }), anna.device)) === 'BOT_KEY_ENDED';
  await waitFor(late, { what: 'the end of a key to be known', ...patience });
});

test('a relay keeps what it cannot read until the receiver fetches it', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob, rita] = [
    await grid.self('anna'),
    await grid.self('bob'),
    await grid.self('rita'),
  ];
  const options = { actors: [counting] };
  const r = await grid.bot(rita);
  const person = { bot: bob.id, standing: 'circle' };
  const away = await grid.bot(bob, { ...options, relays: [r.id] });
  await away.close();
  const a = await grid.bot(anna, options);
  a.send({ to: bob.id, kind: 'counting.note', body: { n: 47_114_711 } });
  // Rita keeps nothing for those who are not of her circle.
  const boxes = async (): Promise<number> =>
    ((await ownerCall(a, ownerTokenOf(anna), 'bot.status', {})) as { links: number }).links;
  await waitFor(async () => (await boxes()) > 0, { what: 'a link to the relay', ...patience });
  await ownerCall(r, ownerTokenOf(rita), 'people.allow', person);
  const held = (): boolean => heldFiles(grid, 'rita') > 0;
  await waitFor(held, { what: 'the relay to hold it', ...patience });
  await a.close();
  // The receiver is back; the sender is not there.
  const b = await grid.bot(bob, { ...options, relays: [r.id] });
  const token = ownerTokenOf(bob);
  const isIn = async (): Promise<boolean> =>
    JSON.stringify(await counted(b, token)) === '[{"n":47114711,"times":1}]';
  await waitFor(isIn, { what: 'the letter to come', ...patience });
  await waitFor(() => !held(), { what: 'the relay to let go of it', ...patience });
  // The sender brings it again, since nobody told it: that changes nothing.
  const again = await grid.bot(anna, options);
  await waitFor(() => again.letterCount === 0, { what: 'the letter to be known', ...patience });
  assert.ok(await isIn());
});

/** Boxes in the tables of a relay, none of which shows what is in it. */
function heldFiles(grid: Grid, name: string): number {
  using db = grid.tables(name);
  const rows = db.prepare('SELECT box FROM held').all();
  for (const { box } of rows) {
    const text = Buffer.from(box as Uint8Array).toString('latin1');
    assert.ok(!text.includes('47114711') && !text.includes('counting'));
  }
  return rows.length;
}
