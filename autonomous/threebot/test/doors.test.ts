import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { RespClient } from '@commongrid/resp';
import type { SigningKey } from '@commongrid/crypto';
import type { Bot } from '../src/index.ts';
import { authDomain } from '../src/doors/resp-door.ts';
import { makeCredentials } from '../src/keys/certificate.ts';
import { counting } from './support/counting.ts';
import { Grid, ownerTokenOf } from './support/grid.ts';

interface Ask {
  readonly body?: string;
  readonly key?: SigningKey;
  readonly token?: string;
}

interface Answer {
  readonly status: number;
  readonly value: unknown;
}

async function ask(bot: Bot, path: string, { body, key, token }: Ask = {}): Promise<Answer> {
  const outgoing = request({
    ...{ ...bot.httpAddress, path, method: body === undefined ? 'GET' : 'POST' },
    ...(key === undefined ? {} : await makeCredentials(key)),
    rejectUnauthorized: false,
    agent: false,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
  });
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: response.statusCode ?? 0, value: JSON.parse(await text(response)) as unknown };
}

function textOf(reply: unknown): string {
  assert.ok(Buffer.isBuffer(reply));
  return reply.toString();
}

function codeOf({ value }: Answer): unknown {
  return (value as { readonly code?: unknown }).code;
}

test('one definition answers over links, HTTP and the Redis protocol', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const listen = { host: '127.0.0.1', port: 0 };
  const a = await grid.bot(anna);
  const b = await grid.bot(bob, { actors: [counting], redis: listen });

  const link = a.client(counting, b.id);
  assert.deepEqual(await link.echo({ text: 'hi' }), { text: 'hi' });
  const body = JSON.stringify({ text: 'hi' });
  const http = await ask(b, '/actors/counting/echo', { body });
  assert.deepEqual(http, { status: 200, value: { text: 'hi' } });
  await using redis = await RespClient.connect({
    ...(b.redisAddress ?? listen),
    tls: { fingerprint256: b.fingerprint },
  });
  const reply = await redis.command(['counting.echo', body]);
  assert.deepEqual(JSON.parse(textOf(reply)), { text: 'hi' });

  // Who calls is the same by each way.
  const known = { bot: a.id, standing: 'known' };
  assert.deepEqual(await link.who({}), { ...known, way: 'link' });
  const asAnna = await ask(b, '/actors/counting/who', { body: '{}', key: anna.device });
  assert.deepEqual(asAnna.value, { ...known, way: 'http' });
  const challenge = textOf(await redis.command(['BOT.CHALLENGE']));
  const signature = anna.device.sign(authDomain, Buffer.from(challenge));
  const signed = Buffer.from(signature).toString('base64url');
  await redis.command(['AUTH', anna.device.publicKey.text, signed]);
  const who = JSON.parse(textOf(await redis.command(['COUNTING.WHO']))) as unknown;
  assert.deepEqual(who, { ...known, way: 'redis' });
  // An answer is good once.
  await assert.rejects(
    redis.command(['AUTH', anna.device.publicKey.text, signed]),
    /BOT_AUTH_FAILED/,
  );
});

test('refusals have the same codes by every way', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const listen = { host: '127.0.0.1', port: 0 };
  const limits = { callMs: 200 };
  const b = await grid.bot(bob, { actors: [counting], redis: listen, limits });
  await using redis = await RespClient.connect({
    ...(b.redisAddress ?? listen),
    tls: { fingerprint256: b.fingerprint },
  });
  const cases: readonly (readonly [string, object, number, string])[] = [
    ['counting.who', {}, 401, 'BOT_SENDER_UNKNOWN'],
    ['counting.echo', { text: 1 }, 400, 'BOT_INPUT_INVALID'],
    ['counting.lie', {}, 500, 'BOT_OUTPUT_INVALID'],
    ['counting.hang', {}, 504, 'BASE_TIMEOUT'],
    ['counting.none', {}, 404, 'BOT_METHOD_UNKNOWN'],
  ];
  for (const [name, input, status, code] of cases) {
    const body = JSON.stringify(input);
    const answer = await ask(b, `/actors/${name.replace('.', '/')}`, { body });
    assert.deepEqual([answer.status, codeOf(answer)], [status, code], name);
    await assert.rejects(redis.command([name, body]), new RegExp(code));
  }
  const known = await ask(b, '/actors/counting/read', { body: '{}', key: anna.device });
  assert.deepEqual([known.status, codeOf(known)], [403, 'BOT_NOT_PERMITTED']);
  const stranger = await ask(b, '/actors/counting/who', { body: '{}', key: anna.root });
  assert.deepEqual([stranger.status, codeOf(stranger)], [401, 'BOT_KEY_WRONG']);
  const wrong = await ask(b, '/actors/counting/who', { body: '{}', token: 'x'.repeat(43) });
  assert.deepEqual([wrong.status, codeOf(wrong)], [401, 'BOT_AUTH_FAILED']);
  const large = JSON.stringify({ text: 'x'.repeat(2 ** 20) });
  const tooLarge = await ask(b, '/actors/counting/echo', { body: large });
  assert.deepEqual([tooLarge.status, codeOf(tooLarge)], [413, 'BOT_TOO_LARGE']);
  const noJson = await ask(b, '/actors/counting/echo', { body: '{' });
  assert.deepEqual([noJson.status, codeOf(noJson)], [400, 'BOT_INPUT_INVALID']);
});

test('the owner says who belongs to the circle', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const a = await grid.bot(anna);
  const b = await grid.bot(bob, { actors: [counting] });
  const client = a.client(counting, b.id);
  await client.note({ n: 7 });
  const token = ownerTokenOf(bob);
  const person = JSON.stringify({ bot: a.id, standing: 'circle' });
  const path = '/actors/people/allow';
  assert.equal((await ask(b, path, { body: person, token })).status, 200);
  assert.deepEqual(await client.read({}), [{ n: 7, times: 1 }]);
  // Who is in the circle has no say in who else is.
  assert.equal(codeOf(await ask(b, path, { body: person, key: anna.device })), 'BOT_NOT_PERMITTED');
  const forbid = { body: JSON.stringify({ bot: a.id }), token };
  assert.deepEqual((await ask(b, '/actors/people/forbid', forbid)).value, { wasThere: true });
  await assert.rejects(client.read({}), /circle/);
  const call = { bot: a.id, method: 'bot.about', input: {} };
  const through = await ask(b, '/actors/bot/call', { body: JSON.stringify(call), token });
  assert.deepEqual(through.value, { id: a.id, log: grid.trust.log });
});

test('the description of the methods is an OpenAPI document', async (t) => {
  const grid = await Grid.open(t);
  const b = await grid.bot(await grid.self('bob'), { actors: [counting] });
  const { value } = await ask(b, '/openapi.json');
  const { valid, errors } = await new Validator().validate(value as Record<string, unknown>);
  assert.ok(valid, JSON.stringify(errors ?? '').slice(0, 2_000));
  const { paths } = value as { readonly paths: Readonly<Record<string, unknown>> };
  for (const short of Object.keys(counting.methods)) assert.ok(paths[`/actors/counting/${short}`]);
  assert.deepEqual((await ask(b, '/healthz')).value, { status: 'ok', bot: b.id });
});

test('a client has the types of the definition', async (t) => {
  const grid = await Grid.open(t);
  const [anna, bob] = [await grid.self('anna'), await grid.self('bob')];
  const a = await grid.bot(anna);
  const b = await grid.bot(bob, { actors: [counting] });
  const client = a.client(counting, b.id);
  const { text: echoed }: { text: string } = await client.echo({ text: 'typed' });
  assert.equal(echoed, 'typed');
  // @ts-expect-error: there is no such method
  const missing: unknown = client.shout;
  assert.equal(missing, undefined);
  // @ts-expect-error: the input has another type
  await assert.rejects(client.echo({ text: 1 }), /BOT_INPUT|text/);
  // @ts-expect-error: a member is missing
  await assert.rejects(client.note({}), /BOT_INPUT|whole/);
  // @ts-expect-error: the answer has another type
  const { times }: { times: string } = await client.note({ n: 1 });
  assert.equal(typeof times, 'number');
});
