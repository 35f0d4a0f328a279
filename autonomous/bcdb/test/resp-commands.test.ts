import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalBytes, SealingKey, SigningKey } from '@commongrid/crypto';
import { makeReaders } from '../src/private/readers.ts';
import { sealPayload } from '../src/private/sealed-payload.ts';
import { signRecord } from '../src/record/author.ts';
import { systemUrls } from '../src/record/system-records.ts';
import { verifyRecordProof } from '../src/browser.ts';
import {
  contact,
  contacts,
  contactSchema,
  ownerToken,
  RespFixture,
  signedAnswer,
} from './resp-fixture.ts';

const ada = '{"about":"writes programs","name":"Ada"}';
const bob = '{"name":"Bob"}';

test('hash commands write, read and delete objects', async () => {
  await using fixture = await RespFixture.open();
  const ask = await fixture.owner();
  assert.equal(await ask('HSET', contacts, 'ada', ada, 'bob', bob), 2);
  assert.equal(await ask('HSET', contacts, 'ada', '{ "name": "Ada" }', 'eve', '{"name":"Eve"}'), 1);
  assert.equal(await ask('HGET', contacts, 'ada'), '{"name":"Ada"}');
  assert.equal(await ask('HGET', contacts, 'nobody'), null);
  assert.deepEqual(await ask('HMGET', contacts, 'bob', 'nobody'), [bob, null]);
  assert.equal(await ask('HLEN', contacts), 3);
  assert.equal(await ask('HEXISTS', contacts, 'bob'), 1);
  assert.equal(await ask('HEXISTS', contacts, 'nobody'), 0);
  assert.deepEqual(await ask('HKEYS', contacts), ['ada', 'bob', 'eve']);
  assert.deepEqual(await ask('HGETALL', `people:data:net.example.none.1`), []);
  assert.equal(await ask('HDEL', contacts, 'bob', 'nobody', 'eve'), 2);
  assert.deepEqual(await ask('HGETALL', contacts), ['ada', '{"name":"Ada"}']);
  const id = await ask('HSET', contacts, 'new', '{"name":"Zoe"}');
  assert.match(String(id), /^[0-9a-f]{32}$/);
  assert.equal(await ask('HGET', contacts, String(id)), '{"name":"Zoe"}');
});

test('object commands read and write single objects and schemas', async () => {
  await using fixture = await RespFixture.open();
  const ask = await fixture.owner();
  const key = `${contacts}/ada`;
  assert.equal(await ask('SET', key, ada), 'OK');
  assert.equal(await ask('GET', key), ada);
  assert.equal(await ask('TYPE', key), 'string');
  assert.equal(await ask('TYPE', contacts), 'hash');
  assert.equal(await ask('TYPE', 'people:log'), 'stream');
  assert.equal(await ask('TYPE', 'whatever'), 'none');
  assert.equal(await ask('TYPE', 'people:data:net.example.none.1'), 'none');
  assert.equal(await ask('EXISTS', key, `${contacts}/bob`, contacts), 2);
  assert.equal(await ask('DEL', key, `${contacts}/bob`), 1);
  assert.equal(await ask('GET', key), null);
  const schema = `people:schemas:${contact}`;
  assert.deepEqual(JSON.parse(String(await ask('GET', schema))), contactSchema);
  const other = 'people:schemas:net.example.note.1';
  assert.equal(await ask('SET', other, '{"type":"object","properties":{}}'), 'OK');
  assert.equal(await ask('HSET', 'people:data:net.example.note.1', 'n', '{}'), 1);
  assert.equal(await ask('DEL', other), '-BCDB_NAME_RESERVED');
  assert.equal(await ask('DEL', contacts), '-ERR');
});

test('what is wrong is refused by its own code, and nothing is appended', async () => {
  await using fixture = await RespFixture.open();
  const ask = await fixture.owner();
  await ask('HSET', contacts, 'ada', ada);
  const refused = [
    [['HSET', contacts, 'x', '{"nom":1}'], '-BCDB_SCHEMA_MISMATCH'],
    [['HSET', contacts, 'x', '{'], '-BCDB_PAYLOAD_INVALID'],
    [['HSET', contacts, 'x', Buffer.from([0x22, 0xff, 0x22])], '-BCDB_PAYLOAD_INVALID'],
    [['HSET', contacts, Buffer.from([0xc3, 0xa9]), bob], '-BCDB_ENVELOPE_INVALID'],
    [['HSET', contacts, 'x'.repeat(300), bob], '-BCDB_ENVELOPE_INVALID'],
    [['HSET', contacts, '', bob], '-BCDB_ENVELOPE_INVALID'],
    [['HSET', contacts, 'x', bob, 'y'], '-ERR'],
    [['HSET', 'void:data:net.example.contact.1', 'x', bob], '-BCDB_NAMESPACE_UNKNOWN'],
    [['HGET', 'void:data:net.example.contact.1', 'x'], '-BCDB_NAMESPACE_UNKNOWN'],
    [['HSET', 'people:data:net.example.none.1', 'x', bob], '-BCDB_SCHEMA_UNKNOWN'],
    [['HSET', 'people', 'x', bob], '-BCDB_REQUEST_INVALID'],
    [['HGET', Buffer.from([0, 255, 58]), 'x'], '-BCDB_REQUEST_INVALID'],
    [['HGET', 'k'.repeat(100_000), 'x'], '-BCDB_REQUEST_INVALID'],
    [['HGET', 'people:log', 'x'], '-WRONGTYPE'],
    [['GET', contacts], '-WRONGTYPE'],
    [['XLEN', contacts], '-WRONGTYPE'],
    [['HGET', contacts], '-ERR'],
    [['HGET', contacts, 'a', 'b'], '-ERR'],
    [['HSCAN', contacts, 'x'], '-ERR'],
    [['HSCAN', contacts, '1'], '-BCDB_REQUEST_INVALID'],
    [['HSCAN', contacts, '999999'], '-BCDB_REQUEST_INVALID'],
    [['HSCAN', contacts, '0', 'COUNT', '0'], '-ERR'],
    [['BCDB.FIND', contacts, '[]'], '-BCDB_QUERY_INVALID'],
    [
      ['BCDB.FIND', contacts, '{"where":{"field":"nope","op":"eq","value":1}}'],
      '-BCDB_QUERY_INVALID',
    ],
    [['BCDB.PROVE', contacts, 'nobody'], '-BCDB_NOT_FOUND'],
    [['BCDB.APPROVE', 'people', 'nothing'], '-BCDB_NOT_FOUND'],
    [['BCDB.PROPOSE', contacts, 'ada', 'DEL'], '-BCDB_PROPOSAL_STALE'],
    [['FLUSHALL'], '-ERR'],
    [['SELECT', '1'], '-ERR'],
    [['SET', `${contacts}/x`, bob, 'EX', '10'], '-ERR'],
  ] as const;
  const { size } = fixture.bcdb.head;
  for (const [args, code] of refused) {
    assert.equal(await ask(...args), code, String(args).slice(0, 100));
  }
  const written: string[] = [];
  for await (const group of fixture.bcdb.read(size, fixture.bcdb.head.size)) {
    written.push(...group.map(({ leaf }) => Buffer.from(leaf).toString('latin1')));
  }
  assert.deepEqual(
    written.filter((leaf) => !leaf.includes(systemUrls.tick)),
    [],
  );
});

test('of several objects the good ones are written, and the error says so', async () => {
  await using fixture = await RespFixture.open();
  const ask = await fixture.owner();
  assert.equal(await ask('HSET', contacts, 'a', bob, 'b', '{}', 'c', bob), '-BCDB_SCHEMA_MISMATCH');
  assert.deepEqual(await ask('HKEYS', contacts), ['a', 'c']);
});

test('identity comes from a token or a signed challenge, and rights from the log', async () => {
  await using fixture = await RespFixture.open();
  const owner = await fixture.owner();
  await owner('HSET', contacts, 'ada', ada);
  const stranger = await fixture.stranger();
  for (const args of [
    ['HGET', contacts, 'ada'],
    ['HSET', contacts, 'x', bob],
    ['HLEN', contacts],
    ['HSCAN', contacts, '0'],
    ['XRANGE', 'people:log', '-', '+'],
    ['XLEN', 'log'],
    ['BCDB.HIST', contacts, 'ada'],
    ['BCDB.PROPOSALS', 'people'],
  ] as const) {
    assert.equal(await stranger(...args), '-BCDB_AUTH_NEEDED', args.join(' '));
  }
  assert.deepEqual(await stranger('SCAN', '0'), ['0', []]);
  assert.equal(await stranger('TYPE', contacts), 'none');
  assert.match(String(await stranger('BCDB.CHECKPOINT')), /^commongrid/);
  assert.equal(await stranger('AUTH', 'X'.repeat(43)), '-BCDB_AUTH_FAILED');
  assert.equal(await stranger('AUTH', ownerToken), 'OK');
  assert.equal(await stranger('HGET', contacts, 'ada'), ada);

  const key = SigningKey.generate();
  const holder = await fixture.holder(key);
  assert.equal(await holder('HGET', contacts, 'ada'), '-BCDB_DENIED');
  assert.equal(await holder('XLEN', 'log'), '-BCDB_DENIED');
  const people = `people:data:${systemUrls.namespace}`;
  assert.equal(await holder('BCDB.PROVE', people, 'namespace'), '-BCDB_DENIED');
  const grants = [
    { to: fixture.bcdb.owner, rights: ['admin'] },
    { to: key.publicKey.text, rights: ['write'] },
  ];
  assert.equal(await owner('HSET', people, 'namespace', JSON.stringify({ grants })), 0);
  // Who writes has to know whether it is private.
  assert.match(String(await holder('BCDB.PROVE', people, 'namespace')), /grid\.bcdb\.proof\.1/);
  assert.match(String(await holder('HGET', people, 'namespace')), /^\{"grants":/);
  assert.equal(await holder('HGET', contacts, 'ada'), '-BCDB_DENIED');
  grants.push({ to: key.publicKey.text, rights: ['read'] });
  assert.equal(await owner('HSET', people, 'namespace', JSON.stringify({ grants })), 0);
  assert.equal(await holder('HGET', contacts, 'ada'), ada);
  assert.equal(await holder('HLEN', contacts), 1);
  assert.equal(await holder('HSET', contacts, 'x', bob), '-BCDB_DENIED');
});

test('a challenge is good for one answer of the key that signs it', async () => {
  await using fixture = await RespFixture.open();
  const key = SigningKey.generate();
  const ask = await fixture.stranger();
  const { text } = key.publicKey;
  const challenge = String(((await ask('BCDB.CHALLENGE')) as readonly string[])[1]);
  const signature = signedAnswer(fixture.bcdb, key, challenge);
  const other = SigningKey.generate().publicKey.text;
  assert.equal(await ask('AUTH', other, signature), '-BCDB_AUTH_FAILED');
  assert.equal(await ask('AUTH', text, signature), '-BCDB_CHALLENGE_EXPIRED');
  await ask('BCDB.CHALLENGE');
  assert.equal(await ask('AUTH', text, signature), '-BCDB_AUTH_FAILED');
});

test('proposals take effect by votes over the door', async () => {
  await using fixture = await RespFixture.open();
  const ask = await fixture.owner();
  const { owner } = fixture.bcdb;
  const lines = [{ role: 'board', signers: [owner], min: 1 }];
  const policy = JSON.stringify({ write: lines });
  const policies = `people:data:${systemUrls.policy}`;
  assert.equal(await ask('HSET', policies, `type/${contact}`, policy), 1);
  assert.equal(await ask('HSET', contacts, 'ada', ada), '-BCDB_POLICY_REQUIRED');
  const id = String(await ask('BCDB.PROPOSE', contacts, 'ada', 'PUT', ada));
  const [listed] = (await ask('BCDB.PROPOSALS', 'people', 'STATUS', 'open')) as readonly string[];
  assert.equal(JSON.parse(listed ?? '{}').id, id);
  assert.equal(await ask('HGET', contacts, 'ada'), null);
  assert.equal(await ask('BCDB.APPROVE', 'people', id), 'effective');
  assert.equal(await ask('HGET', contacts, 'ada'), ada);
  const again = String(await ask('BCDB.PROPOSE', contacts, 'bob', 'PUT', bob));
  assert.equal(await ask('BCDB.REJECT', 'people', again, 'ROLE', 'board'), 'rejected');
  // The record that carries the object is the proposal: a cursor finds the object in it.
  const third = String(await ask('BCDB.PROPOSE', contacts, 'cyd', 'PUT', bob));
  await ask('BCDB.APPROVE', 'people', third);
  const [cursor, first] = (await ask('HSCAN', contacts, '0', 'COUNT', '1')) as readonly [
    string,
    string[],
  ];
  assert.deepEqual(first, ['ada', ada]);
  assert.deepEqual(await ask('HSCAN', contacts, cursor), ['0', ['cyd', bob]]);
});

test('questions are answered by index, words and history', async () => {
  await using fixture = await RespFixture.open();
  const ask = await fixture.owner();
  await ask('HSET', contacts, 'ada', ada, 'bob', bob);
  await ask('HSET', contacts, 'ada', '{"about":"writes letters","name":"Ada"}');
  const query = { where: { field: 'name', op: 'eq', value: 'Bob' } };
  assert.deepEqual(await ask('BCDB.FIND', contacts, JSON.stringify(query)), [null, ['bob', bob]]);
  const [cursor] = (await ask('BCDB.FIND', contacts, '{"limit":1}')) as readonly string[];
  const next = JSON.stringify({ limit: 1, cursor });
  assert.deepEqual(await ask('BCDB.FIND', contacts, next), [null, ['bob', bob]]);
  const found = (await ask('BCDB.SEARCH', contacts, 'letters', 'LIMIT', '5')) as readonly string[];
  assert.equal(found[0], 'ada');
  assert.deepEqual(await ask('BCDB.SEARCH', contacts, 'programs'), []);
  const versions = (await ask('BCDB.HIST', contacts, 'ada')) as readonly (readonly string[])[];
  assert.equal(versions.length, 2);
  assert.deepEqual(versions[1]?.slice(-2), ['value', ada]);
  const seq = versions[0]?.[versions[0].indexOf('seq') + 1];
  const before = await ask('BCDB.HIST', contacts, 'ada', 'BEFORE', String(seq), 'LIMIT', '9');
  assert.deepEqual(before, versions.slice(1));
  const bytes = Buffer.from(String(await ask('BCDB.PROVE', contacts, 'ada')), 'latin1');
  const { genesis, log } = fixture.bcdb;
  const trust = { log, sequencerKey: genesis.sequencer };
  const shown = verifyRecordProof(JSON.parse(bytes.toString()), trust);
  assert.equal(shown.envelope.obj, 'ada');
});

test('signed records come in as stream entries, and go out as they were signed', async () => {
  await using fixture = await RespFixture.open();
  const owner = await fixture.owner();
  const key = SigningKey.generate();
  const grants = [
    { to: fixture.bcdb.owner, rights: ['admin'] },
    { to: key.publicKey.text, rights: ['read', 'write'] },
  ];
  await owner(
    'HSET',
    `people:data:${systemUrls.namespace}`,
    'namespace',
    JSON.stringify({ grants }),
  );
  const holder = await fixture.holder(key);
  const statement = {
    ns: 'people',
    op: 'put',
    url: contact,
    obj: 'ada',
    schema: fixture.bcdb.schemaOf('people', contact),
    payload: canonicalBytes(JSON.parse(ada)),
  } as const;
  const { leaf, body } = signRecord(key, statement, { log: fixture.bcdb.log, n: 1, t: 1 });
  assert.ok(body !== undefined);
  const fields = ['leaf', Buffer.from(leaf), 'body', Buffer.from(body)] as const;
  const id = String(await holder('XADD', 'people:log', '*', ...fields));
  assert.match(id, /^\d+-0$/);
  assert.equal(await holder('XADD', 'people:log', '*', ...fields), id);
  assert.equal(await holder('XADD', 'other:log', '*', ...fields), '-BCDB_REQUEST_INVALID');
  assert.equal(await holder('XADD', 'people:log', '5-0', ...fields), '-ERR');
  assert.equal(await holder('XADD', 'people:log', '*', 'leaf', 'x'), '-BCDB_ENVELOPE_INVALID');
  const forged = Buffer.from(leaf);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  const answer = await holder('XADD', 'people:log', '*', 'leaf', forged, ...fields.slice(2));
  assert.equal(answer, '-BCDB_SIGNATURE_INVALID');

  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  const entry = [id, ['leaf', text(leaf), 'body', text(body)]];
  assert.deepEqual(await holder('XRANGE', 'people:log', id, '+'), [entry]);
  assert.deepEqual(await holder('XREVRANGE', 'people:log', '+', '-', 'COUNT', '1'), [entry]);
  const all = (await owner('XRANGE', 'people:log', '-', '+')) as readonly (readonly [string])[];
  assert.equal(await owner('XLEN', 'people:log'), all.length);
  const reversed = await owner('XREVRANGE', 'people:log', '+', '-');
  assert.deepEqual(reversed, all.toReversed());
  const whole = (await owner('XRANGE', 'log', '-', '+')) as readonly (readonly [string])[];
  assert.deepEqual(
    whole.map(([one]) => one),
    whole.map((_, seq) => `${seq}-0`),
  );
  const before = all.at(-2)?.[0] ?? '';
  assert.deepEqual(await owner('XREAD', 'STREAMS', 'people:log', before), [
    ['people:log', [entry]],
  ]);
  assert.deepEqual(await owner('XRANGE', 'people:log', `(${before}`, '+'), [entry]);
  assert.equal(await owner('XREAD', 'STREAMS', 'people:log', '$'), null);
});

test('a long range is refused without a count, and answered in parts', async () => {
  await using fixture = await RespFixture.open();
  const ask = await fixture.owner();
  const pairs = (from: number): string[] =>
    Array.from({ length: 400 }, (_, i) => [`c${from + i}`, bob]).flat();
  for (const from of [0, 400, 800]) await ask('HSET', contacts, ...pairs(from));
  assert.equal(await ask('XRANGE', 'people:log', '-', '+'), '-BCDB_TOO_LARGE');
  assert.equal(await ask('XREVRANGE', 'people:log', '+', '-'), '-BCDB_TOO_LARGE');
  assert.equal(await ask('HGETALL', contacts), '-BCDB_TOO_LARGE');
  const seen: string[] = [];
  for (let start = '-'; ; start = `(${seen.at(-1)}`) {
    const page = (await ask('XRANGE', 'people:log', start, '+', 'COUNT', '500')) as string[][];
    if (page.length === 0) break;
    seen.push(...page.map(([id]) => id ?? ''));
  }
  assert.equal(seen.length, await ask('XLEN', 'people:log'));
});

test('an object that is kept from a reader is kept from him in every way', async () => {
  await using fixture = await RespFixture.open();
  const { bcdb } = fixture;
  const owner = await fixture.owner();
  const key = SigningKey.generate();
  const reader = await fixture.holder(key);
  const readers = [
    { to: bcdb.owner, rights: ['admin'] },
    { to: key.publicKey.text, rights: ['read'] },
  ];
  const namespace = `people:data:${systemUrls.namespace}`;
  await owner('HSET', namespace, 'namespace', JSON.stringify({ grants: readers }));
  await owner('HSET', contacts, 'ada', ada, 'bob', bob);
  assert.equal(await reader('HLEN', contacts), 2);
  const scope = `object/${contact}/ada`;
  await owner('HSET', `people:data:${systemUrls.acl}`, scope, JSON.stringify({ grants: [] }));
  assert.equal(await reader('HGET', contacts, 'bob'), bob);
  for (const args of [
    ['HGET', contacts, 'ada'],
    ['HMGET', contacts, 'bob', 'ada'],
    ['HEXISTS', contacts, 'ada'],
    ['GET', `${contacts}/ada`],
    ['HLEN', contacts],
    ['HKEYS', contacts],
    ['HGETALL', contacts],
    ['HSCAN', contacts, '0'],
    ['BCDB.FIND', contacts, '{}'],
    ['BCDB.SEARCH', contacts, 'programs'],
    ['BCDB.HIST', contacts, 'ada'],
    ['BCDB.PROVE', contacts, 'ada'],
    ['XRANGE', 'people:log', '-', '+'],
    ['XREAD', 'BLOCK', '0', 'STREAMS', 'people:log', '$'],
    ['XLEN', 'people:log'],
  ] as const) {
    assert.equal(await reader(...args), '-BCDB_DENIED', args.join(' '));
  }
  assert.equal(await reader('EXISTS', `${contacts}/ada`, `${contacts}/bob`), 1);
});

test('a read shows what was written by another way before it came', async () => {
  await using fixture = await RespFixture.open();
  const ask = await fixture.owner();
  for (let i = 0; i < 50; i++) {
    const value = { name: `Bob ${i}` };
    await fixture.bcdb.write({ ns: 'people', op: 'put', url: contact, obj: 'bob', value });
    assert.equal(await ask('HGET', contacts, 'bob'), JSON.stringify(value));
    assert.equal(await ask('HLEN', contacts), 1);
  }
});

test('a private namespace takes and gives sealed payloads only, and answers no conditions', async () => {
  await using fixture = await RespFixture.open();
  const { bcdb } = fixture;
  const ask = await fixture.owner();
  const ns = 'secret';
  const grants = [{ to: bcdb.owner, rights: ['admin'] }];
  const named = await ask(
    ...['SET', `${ns}:data:bcdb.namespace.1/namespace`],
    JSON.stringify({ grants, isPrivate: true }),
  );
  assert.equal(named, 'OK');
  const notes = `${ns}:data:net.example.note.1`;
  const { record, key } = await makeReaders({ log: bcdb.log, ns }, 1, [
    SealingKey.generate().publicKey,
  ]);
  const place = { log: bcdb.log, ns, url: 'net.example.note.1', obj: 'a' };
  const sealed = Buffer.from(sealPayload(key, place, canonicalBytes({ text: 'hidden' })));
  assert.equal(await ask('HSET', notes, 'a', sealed), '-BCDB_READERS_MISSING');
  const readers = `${ns}:data:bcdb.readers.1/readers`;
  assert.equal(await ask('SET', readers, JSON.stringify(record)), 'OK');
  assert.equal(await ask('HSET', notes, 'a', '{"text":"open"}'), '-BCDB_NOT_SEALED');
  assert.equal(await ask('SET', `${notes}/a`, '{"text":"open"}'), '-BCDB_NOT_SEALED');
  assert.equal(await ask('HSET', notes, 'a', sealed), 1);
  assert.equal(await ask('HGET', notes, 'a'), sealed.toString('latin1'));
  assert.equal(await ask('BCDB.SEARCH', notes, 'hidden'), '-BCDB_NAMESPACE_PRIVATE');
  const where = { field: 'text', op: 'eq', value: 'hidden' };
  assert.equal(await ask('BCDB.FIND', notes, JSON.stringify({ where })), '-BCDB_NAMESPACE_PRIVATE');
  assert.deepEqual(await ask('HKEYS', notes), ['a']);
  // A proposal would say in the clear what it proposes.
  const policy = { write: [{ role: 'owner', signers: [bcdb.owner], min: 1 }] };
  const scope = `${ns}:data:bcdb.policy.1/type/net.example.note.1`;
  assert.equal(await ask('SET', scope, JSON.stringify(policy)), 'OK');
  const proposed = await ask('BCDB.PROPOSE', notes, 'a', 'PUT', '{"text":"open"}');
  assert.equal(proposed, '-BCDB_NOT_SEALED');
});
