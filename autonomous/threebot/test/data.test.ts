import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { systemUrls } from '@commongrid/bcdb';
import { RespClient } from '@commongrid/resp';
import type { Bot } from '../src/index.ts';
import { Grid } from './support/grid.ts';
import type { Self } from './support/grid.ts';

const note = { title: 'Roof', format: 'text', body: 'mend it', tags: ['house'], changedMs: 1 };

/** A bot with a namespace for its records, and a collection of notes. */
async function withData(grid: Grid, self: Self): Promise<Bot> {
  const ns = `bot-${self.name}`;
  const value = { grants: [{ to: self.id, rights: ['admin'] }] };
  await grid.bcdb.write({ ns, op: 'put', url: systemUrls.namespace, obj: 'namespace', value });
  const bot = await grid.bot(self, { redis: { host: '127.0.0.1', port: 0 } });
  await bot.call('data.configure', { namespace: ns });
  await bot.call('data.define', { collection: 'notes', type: 'grid.note.1' });
  return bot;
}

async function twoBots(t: TestContext): Promise<readonly [Grid, Bot, Bot]> {
  const grid = await Grid.open(t);
  const [ada, bob] = [await grid.self('ada'), await grid.self('bob')];
  return [grid, await withData(grid, ada), await grid.bot(bob)];
}

/** A call by HTTP with a token. */
async function ask(bot: Bot, token: string, method: string, input: object): Promise<unknown> {
  const outgoing = request({
    ...{ ...bot.httpAddress, path: `/actors/${method.replace('.', '/')}`, method: 'POST' },
    ...{ rejectUnauthorized: false, agent: false },
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  });
  outgoing.end(JSON.stringify(input));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return JSON.parse(await text(response)) as unknown;
}

function code(answer: unknown): unknown {
  return (answer as { readonly code?: unknown }).code;
}

test('records have a type, versions, and are found by their fields', async (t) => {
  const [, ada] = await twoBots(t);
  const name = { collection: 'notes', id: '1' };
  assert.equal(await ada.call('data.get', name), null);
  const first = (await ada.call('data.put', { ...name, value: note })) as { version: string };
  const second = { ...note, title: 'Roof, again', tags: ['house', 'money'] };
  await ada.call('data.put', { ...name, value: second, prev: first.version });
  await assert.rejects(ada.call('data.put', { ...name, value: note, prev: first.version }), {
    code: 'BCDB_CONFLICT',
  });
  await assert.rejects(ada.call('data.put', { ...name, value: { ...note, title: 1 } }), {
    code: 'BCDB_SCHEMA_MISMATCH',
  });
  const got = (await ada.call('data.get', name)) as { value: unknown; type: string };
  assert.deepEqual([got.value, got.type], [second, 'grid.note.1']);

  await ada.call('data.put', { collection: 'notes', id: '2', value: note });
  const find = async (where: object[]) => {
    const page = await ada.call('data.find', { collection: 'notes', where });
    return (page as { records: { id: string }[] }).records.map(({ id }) => id);
  };
  assert.deepEqual(await find([]), ['1', '2']);
  assert.deepEqual(await find([{ field: 'tags', op: 'contains', value: 'money' }]), ['1']);
  assert.deepEqual(await find([{ field: 'title', op: 'in', value: ['Roof', 'Cellar'] }]), ['2']);

  assert.deepEqual(await ada.call('data.remove', { ...name, erase: true }), { wasThere: true });
  assert.equal(await ada.call('data.get', name), null);
  await assert.rejects(ada.call('data.get', { collection: 'none', id: '1' }), {
    code: 'BOT_OBJECT_UNKNOWN',
  });
  await assert.rejects(ada.call('data.define', { collection: 'x', type: 'org.example.x.1' }), {
    code: 'BOT_TYPE_UNKNOWN',
  });
});

test('an address leads to a record here and at another bot, where it is shared', async (t) => {
  const [, ada, bob] = await twoBots(t);
  await ada.call('data.put', { collection: 'notes', id: '1', value: note });
  await ada.call('data.put', { collection: 'notes', id: 'secret', value: note });
  const open = (bot: Bot, address: string) => bot.call('data.open', { address });
  const here = (await open(ada, 'grid://ada/notes/1')) as { kind: string; value: unknown };
  assert.deepEqual([here.kind, here.value], ['record', note]);
  const denied = { code: 'BOT_NOT_PERMITTED' };
  await assert.rejects(open(bob, 'grid://ada/notes/1'), denied);
  // What is not there is refused alike.
  await assert.rejects(open(bob, 'grid://ada/notes/none'), denied);

  await ada.call('data.share', { path: 'notes', readers: 'known' });
  assert.deepEqual(await open(bob, 'grid://ada/notes/1'), here);
  assert.deepEqual(await open(bob, `grid://${ada.id}/notes/1`), here);
  await assert.rejects(open(bob, 'grid://ada/notes/none'), { code: 'BOT_OBJECT_UNKNOWN' });
  const browse = async (address: string) => {
    const page = await bob.call('data.browse', { address });
    return (page as { entries: { path: string }[] }).entries.map(({ path }) => path);
  };
  assert.deepEqual(await browse('grid://ada/'), ['notes/']);
  assert.deepEqual(await browse('grid://ada/notes/'), ['notes/1', 'notes/secret']);

  await ada.call('data.share', { path: 'notes/secret', readers: 'circle' });
  await assert.rejects(open(bob, 'grid://ada/notes/secret'), denied);
  await assert.rejects(browse('grid://ada/notes'), denied);
  await ada.call('people.allow', { bot: bob.id, standing: 'circle' });
  assert.deepEqual(await browse('grid://ada/notes'), ['notes/1', 'notes/secret']);
  // To read is not to write, and nobody but the owner says who may.
  const put = { collection: 'notes', id: '1', value: note };
  const call = (method: string, input: object) =>
    bob.call('bot.call', { bot: ada.id, method, input });
  await assert.rejects(call('data.put', put), denied);
  await assert.rejects(call('data.share', { path: 'notes', readers: 'public' }), denied);
  await assert.rejects(open(bob, 'grid://nobody/notes/1'), { code: 'BOT_UNKNOWN' });

  const grant = (rights: object[]) => ada.call('data.grant', { bot: bob.id, rights });
  await grant([{ path: 'notes/1', rights: ['read', 'write'] }]);
  const write = (address: string, change: object = {}) =>
    bob.call('data.write', { address, value: { ...note, title: 'by bob' }, ...change });
  const written = (await write('grid://ada/notes/1')) as { version: string };
  await assert.rejects(write('grid://ada/notes/1', { prev: 'A'.repeat(43) }), {
    code: 'BCDB_CONFLICT',
  });
  await write('grid://ada/notes/1', { prev: written.version });
  const { value } = (await open(ada, 'grid://ada/notes/1')) as { value: { title: string } };
  assert.equal(value.title, 'by bob');
  await assert.rejects(write('grid://ada/notes/2'), denied);
  await assert.rejects(write('grid://ada/notes'), { code: 'BOT_OBJECT_UNKNOWN' });
  // Nobody reaches others by a bot that is not his.
  await assert.rejects(
    bob.call('bot.call', {
      bot: ada.id,
      method: 'data.open',
      input: { address: 'grid://bob/a/1' },
    }),
    denied,
  );
  await assert.rejects(call('data.grant', { bot: bob.id, rights: [] }), denied);
  await bob.call('data.discard', { address: 'grid://ada/notes/1', erase: true });
  await assert.rejects(open(ada, 'grid://ada/notes/1'), { code: 'BOT_OBJECT_UNKNOWN' });
  await grant([]);
  await assert.rejects(write('grid://ada/notes/1'), denied);
});

test('an app reaches other bots as far as it was given that, and as far as they let its bot', async (t) => {
  const grid = await Grid.open(t);
  const [adaSelf, bobSelf] = [await grid.self('ada'), await grid.self('bob')];
  const [ada, bob] = [await withData(grid, adaSelf), await withData(grid, bobSelf)];
  await ada.call('data.put', { collection: 'notes', id: '1', value: note });
  await ada.call('data.share', { path: 'notes', readers: 'known' });
  const allow = async (...rights: object[]) =>
    ((await bob.call('data.allow', { app: 'diary', rights })) as { token: string }).token;
  const denied = 'BOT_NOT_PERMITTED';
  const address = 'grid://ada/notes/1';
  const own = await allow({ path: 'notes', rights: ['read', 'write'] });
  assert.equal(code(await ask(bob, own, 'data.open', { address })), denied);
  const at = await allow({ path: 'grid://ada/notes', rights: ['read', 'write'] });
  const got = (await ask(bob, at, 'data.open', { address })) as { value: unknown };
  assert.deepEqual(got.value, note);
  const page = await ask(bob, at, 'data.browse', { address: 'grid://ada/notes/' });
  assert.deepEqual(page, { entries: [{ path: 'notes/1' }] });
  assert.equal(code(await ask(bob, at, 'data.browse', { address: 'grid://ada/' })), denied);
  // Its own bot judges first, then the other one.
  assert.equal(code(await ask(bob, at, 'data.open', { address: 'grid://bob/notes/1' })), denied);
  const write = { address, value: { ...note, title: 'by an app' } };
  assert.equal(code(await ask(bob, at, 'data.write', write)), denied);
  const rights = [{ path: 'notes', rights: ['write'] }];
  await ada.call('data.grant', { bot: bob.id, rights });
  const written = (await ask(bob, at, 'data.write', write)) as { version: string };
  assert.equal(written.version.length, 43);
  const reads = await allow({ path: `grid://${ada.id}`, rights: ['read'] });
  assert.equal(code(await ask(bob, reads, 'data.write', write)), denied);
  const again = (await ask(bob, reads, 'data.open', { address })) as { value: unknown };
  assert.deepEqual(again.value, write.value);
  assert.equal(
    code(await ask(bob, reads, 'data.open', { address: 'grid://nobody/notes/1' })),
    'BOT_UNKNOWN',
  );
});

test('the token of an app is good for what it was given, and for nothing else', async (t) => {
  const [, ada] = await twoBots(t);
  await ada.call('data.define', { collection: 'tasks', type: 'grid.task.1' });
  await ada.call('data.put', { collection: 'notes', id: '1', value: note });
  const rights = [{ path: 'notes', rights: ['read'] }];
  const allow = async () =>
    (await ada.call('data.allow', { app: 'diary', rights })) as { token: string };
  const { token: former } = await allow();
  const { token } = await allow();
  assert.equal(code(await ask(ada, former, 'data.list', {})), 'BOT_AUTH_FAILED');
  const name = { collection: 'notes', id: '1' };
  const got = (await ask(ada, token, 'data.get', name)) as { value: unknown };
  assert.deepEqual(got.value, note);
  assert.deepEqual(await ask(ada, token, 'data.list', {}), { entries: [{ path: 'notes/' }] });
  const refused: readonly (readonly [string, object])[] = [
    ['data.put', { ...name, value: note }],
    ['data.remove', name],
    ['data.get', { collection: 'tasks', id: '1' }],
    ['data.settings', {}],
    ['data.allow', { app: 'diary', rights: [{ path: 'tasks', rights: ['read'] }] }],
    ['data.open', { address: 'grid://ada/tasks/1' }],
    ['data.open', { address: 'grid://bob/notes/1' }],
    ['data.write', { address: 'grid://ada/notes/1', value: note }],
    ['bot.about', {}],
    ['messages.list', {}],
  ];
  for (const [method, input] of refused) {
    assert.equal(code(await ask(ada, token, method, input)), 'BOT_NOT_PERMITTED', method);
  }
  for (const bot of ['ada', ada.id]) {
    const path = `grid://${bot}/notes`;
    const input = { app: 'reader', rights: [{ path, rights: ['read'] }] };
    const reader = (await ada.call('data.allow', input)) as { token: string };
    const read = (await ask(ada, reader.token, 'data.get', name)) as { value: unknown };
    assert.deepEqual(read.value, note, path);
  }
  await using redis = await RespClient.connect({
    ...(ada.redisAddress ?? { host: '', port: 0 }),
    tls: { fingerprint256: ada.fingerprint },
  });
  await redis.command(['AUTH', token]);
  const reply = await redis.command(['data.get', JSON.stringify(name)]);
  assert.ok(Buffer.isBuffer(reply) && reply.toString().includes('mend it'));
  assert.deepEqual(await ada.call('data.forbid', { app: 'diary' }), { wasThere: true });
  await assert.rejects(redis.command(['data.get', JSON.stringify(name)]), /BOT_AUTH_FAILED/);
  assert.equal(code(await ask(ada, token, 'data.get', name)), 'BOT_AUTH_FAILED');
});

test('a bot without a place for its data says what is missing', async (t) => {
  const [, , bob] = await twoBots(t);
  await assert.rejects(bob.call('data.define', { collection: 'notes', type: 'grid.note.1' }), {
    code: 'BOT_DATA_UNSET',
  });
  await assert.rejects(bob.call('data.fileUrl', { path: 'a' }), { code: 'BOT_FILES_UNSET' });
  const files = {
    ...{ endpoint: 'http://127.0.0.1:1', region: 'us-east-1', bucket: 'bob' },
    ...{ accessKey: 'key', secretKey: 'hidden' },
  };
  await bob.call('data.configure', { files });
  assert.ok(!JSON.stringify(await bob.call('data.settings', {})).includes('hidden'));
  const { url } = (await bob.call('data.fileUrl', { path: 'a b/c', method: 'PUT' })) as {
    url: string;
  };
  assert.match(url, /^http:\/\/127\.0\.0\.1:1\/bob\/a%20b\/c\?.*X-Amz-Signature=[0-9a-f]{64}$/);
  await assert.rejects(bob.call('data.fileUrl', { path: '../other/x' }), {
    code: 'BOT_ADDRESS_INVALID',
  });
  await assert.rejects(bob.call('data.resolve', { path: 'files/a' }), { code: 'BOT_FILES_FAILED' });
});
