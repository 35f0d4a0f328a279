import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { counting } from './support/counting.ts';
import { Grid } from './support/grid.ts';
import { Impostor } from './support/impostor.ts';
import { RawLink } from './support/raw-link.ts';

test('two bots call each other over one link, each proven by its key', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const a = await grid.bot(anna, { actors: [counting] });
  const b = await grid.bot(bob, { actors: [counting] });
  const client = a.client(counting, b.id);
  assert.deepEqual(await client.echo({ text: 'hello' }), { text: 'hello' });
  assert.deepEqual(await client.who({}), { bot: a.id, standing: 'known', way: 'link' });
  // The other way round no second link is made.
  assert.equal((await b.client(counting, a.id).who({})).bot, b.id);
  assert.equal(a.links.size, 1);
  assert.equal(b.links.size, 1);
  await assert.rejects(client.read({}), hasCode('BOT_NOT_PERMITTED'));
  const wrong = client.echo({ text: 1 as unknown as string });
  await assert.rejects(wrong, hasCode('BOT_INPUT_INVALID'));
  await assert.rejects(client.lie({}), hasCode('BOT_OUTPUT_INVALID'));
  await assert.rejects(client.big({ length: 2 ** 21 }), hasCode('BOT_TOO_LARGE'));
  await assert.rejects(client.note({ n: -1 }), hasCode('COUNTING_NEGATIVE'));
  const long = client.echo({ text: 'x'.repeat(2 ** 21) });
  await assert.rejects(long, hasCode('BOT_TOO_LARGE'));
  const stop = new AbortController();
  const hanging = client.hang({}, { signal: stop.signal });
  stop.abort();
  await assert.rejects(hanging, hasCode('BASE_ABORTED'));
  const link = await a.linkTo(b.id);
  await assert.rejects(link.call('counting.none', {}), hasCode('BOT_METHOD_UNKNOWN'));
});

test('a caller is refused with a code of its own for each thing that is wrong', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const b = await grid.bot(bob, { actors: [counting] });
  const { log } = grid.trust;
  const checkpoint = grid.bcdb.signedHead().note;
  const greet = async (key: SigningKey | undefined, change: object = {}): Promise<unknown> => {
    using link = await RawLink.open(b.address, key);
    link.send({ t: 'hello', v: 1, log, bot: anna.id, checkpoint, ...change });
    const frame = await link.next();
    if (frame?.['t'] === 'hello') return 'hello';
    assert.equal(frame?.['t'], 'refused');
    await link.ended();
    return (frame['error'] as { readonly code: string }).code;
  };
  assert.equal(await greet(anna.device), 'hello');
  assert.equal(await greet(undefined), 'BOT_KEY_UNPROVEN');
  assert.equal(await greet(SigningKey.generate()), 'BOT_KEY_WRONG');
  assert.equal(await greet(bob.device), 'BOT_KEY_WRONG');
  // The root signs records of the bot, and speaks for nothing else.
  assert.equal(await greet(anna.root), 'BOT_KEY_WRONG');
  const stranger = SigningKey.generate();
  const nobody = `bot:${stranger.publicKey.text.slice('ed25519:'.length)}`;
  assert.equal(await greet(stranger, { bot: nobody }), 'BOT_SENDER_UNKNOWN');
  const other = await Grid.open(t);
  assert.equal(await greet(anna.device, { log: other.trust.log }), 'BOT_OTHER_LOG');
  const foreign = other.bcdb.signedHead().note;
  assert.equal(await greet(anna.device, { checkpoint: foreign }), 'BOT_OTHER_LOG');
  assert.equal(await greet(anna.device, { v: 2 }), 'BOT_FRAME_INVALID');
  assert.equal(await greet(anna.device, { checkpoint: 'x' }), 'BOT_FRAME_INVALID');
  assert.equal(await greet(anna.device, { more: 1 }), 'BOT_FRAME_INVALID');
});

test('who calls a bot sees that it is that one', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const mallory = await grid.self('mallory');
  const a = await grid.bot(anna);
  const m = await grid.bot(mallory);
  await assert.rejects(a.linkTo(bob.id), hasCode('BOT_ADDRESS_MISSING'));
  // Somebody else answers at the address of bob.
  await grid.write(bob.device, grid.recordOf(bob, { addresses: [m.address] }));
  const fresh = await grid.bot(await grid.self('carl'));
  await assert.rejects(fresh.linkTo(bob.id), hasCode('BOT_KEY_WRONG'));
  // It says that it is bob, too; what it cannot show is his key.
  const checkpoint = grid.bcdb.signedHead().note;
  const hello = { log: grid.trust.log, bot: bob.id, checkpoint };
  await using impostor = await Impostor.open(mallory.device, hello);
  await grid.write(bob.device, grid.recordOf(bob, { addresses: [impostor.address] }));
  const other = await grid.bot(await grid.self('eric'));
  await assert.rejects(other.linkTo(bob.id), hasCode('BOT_KEY_WRONG'));
  await grid.write(bob.device, grid.recordOf(bob, { addresses: ['wss://127.0.0.1:1/link'] }));
  const later = await grid.bot(await grid.self('dora'));
  await assert.rejects(later.linkTo(bob.id), hasCode('BOT_UNREACHABLE'));
  const unknown = SigningKey.generate().publicKey.text.replace('ed25519', 'bot');
  await assert.rejects(later.linkTo(unknown), hasCode('BOT_UNKNOWN'));
});

test('a key that was ended speaks no more, on links that are there too', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const a = await grid.bot(anna);
  const b = await grid.bot(bob, { actors: [counting], limits: { recordFreshMs: 1 } });
  const client = a.client(counting, b.id);
  await client.who({});
  const next = SigningKey.generate();
  const former = { ...grid.listed(anna.device, anna.id), ended: 'retired' as const };
  const keys = [former, grid.listed(next, anna.id)];
  await grid.write(anna.root, grid.recordOf(anna, { keys, addresses: [] }));
  await assert.rejects(client.who({}), hasCode('BOT_KEY_ENDED'));
  await waitFor(() => b.links.size === 0, { what: 'the end of the link', timeoutMs: 30_000 });
  await assert.rejects(a.linkTo(b.id), hasCode('BOT_KEY_ENDED'));
  await a.close();
  const again = await grid.bot({ ...anna, device: next });
  assert.equal((await again.client(counting, b.id).who({})).bot, anna.id);
});

test('nobody is let in by a record that may be too old', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const limits = { recordFreshMs: 1, recordStaleMs: 1, recordKeptMs: 1 };
  const a = await grid.bot(anna, { limits: { recordStaleMs: 600_000 } });
  const b = await grid.bot(bob, { actors: [counting], limits });
  const client = a.client(counting, b.id);
  await client.who({});
  await grid.stopDatabase();
  await assert.rejects(client.who({}), hasCode('BOT_RECORD_STALE'));
});
