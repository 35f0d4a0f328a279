import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { signRecord } from '../src/record/author.ts';
import { envelopeText } from '../src/record/envelope.ts';
import { payloadBytesMax } from '../src/record/entry.ts';
import type { Entry } from '../src/record/entry.ts';
import { systemUrls } from '../src/record/system-records.ts';
import { FoldWorld } from '../src/testing/fold-world.ts';
import type { Outcome } from '../src/testing/fold-world.ts';
import { noteUrl, openNotes, signNote, writeNotes } from './support/notes.ts';

/** Names that mean something to objects of JavaScript. */
const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'];
const thing = 'net.example.thing.1';

function teamWith(schema: JsonValue): FoldWorld {
  const world = new FoldWorld();
  world.makeTeam();
  accepted(
    world.say(world.admin, { url: systemUrls.schema, obj: thing, value: { url: thing, schema } }),
  );
  return world;
}

function accepted({ refusal }: Outcome): void {
  if (refusal !== undefined) throw refusal;
}

test('names of JavaScript are names like any other: objects, circles, roles; no field has them', () => {
  const text = { type: 'string', maxLength: 50, 'x-bcdb': { unique: true } };
  // Every object seems to have them, also one that lacks the field.
  for (const name of ['constructor', 'toString', 'valueOf', 'hasOwnProperty']) {
    const schema = { type: 'object', properties: { [name]: text } };
    assert.throws(() => teamWith(schema), { code: 'BCDB_SCHEMA_INVALID' });
  }
  using world = teamWith({ type: 'object', properties: { label: text } });
  const { admin } = world;
  const friend = world.person('friend');
  for (const obj of names) {
    const value = { label: `of ${obj}` };
    accepted(world.say(admin, { url: thing, obj, value }));
    const again = world.say(admin, { url: thing, obj: `${obj}2`, value });
    assert.equal(again.code, 'BCDB_UNIQUE_TAKEN');
    accepted(world.say(admin, { op: 'del', url: thing, obj }));
    accepted(world.say(admin, { url: thing, obj: `${obj}2`, value }));
    const [circle, role] = [{ members: [friend.publicKey.text] }, `r.${obj}`];
    accepted(world.say(admin, { url: systemUrls.circle, obj: `c.${obj}`, value: circle }));
    const lines = [{ role, signers: [`circle:c.${obj}`], min: 1 }];
    const policy = {
      url: systemUrls.policy,
      obj: `object/${thing}/${obj}`,
      value: { write: lines },
    };
    accepted(world.say(admin, policy));
    const required = world.fold.policies.linesFor({ ns: 'team', op: 'put', url: thing, obj });
    assert.deepEqual([...(required?.lines[0]?.signers ?? [])], [friend.publicKey.text]);
  }
  assert.equal(world.fold.access.may('team', 'constructor', 'read', thing, '__proto__'), false);
});

test('a unique field called __proto__ is held and given up, or the schema is refused', () => {
  const schema = JSON.parse(`{"type":"object","properties":{
    "__proto__":{"type":"string","maxLength":50,"x-bcdb":{"unique":true}}}}`) as JsonValue;
  using world = new FoldWorld();
  world.makeTeam();
  const { admin } = world;
  const made = world.say(admin, {
    url: systemUrls.schema,
    obj: thing,
    value: { url: thing, schema },
  });
  if (made.code !== undefined) {
    assert.equal(made.code, 'BCDB_SCHEMA_INVALID');
    return;
  }
  const value = JSON.parse('{"__proto__":"one"}') as JsonValue;
  accepted(world.say(admin, { url: thing, obj: 'a', value }));
  assert.equal(world.say(admin, { url: thing, obj: 'b', value }).code, 'BCDB_UNIQUE_TAKEN');
  accepted(world.say(admin, { op: 'del', url: thing, obj: 'a' }));
  accepted(world.say(admin, { url: thing, obj: 'b', value }));
});

test('schemas of many properties and values that are too deep are judged in bounded time', () => {
  const properties = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, index) => [`p${index}`, { type: 'boolean' }]),
  );
  using world = new FoldWorld();
  world.makeTeam();
  const schema = { type: 'object', properties };
  const startedMs = performance.now();
  const made = world.say(world.admin, {
    url: systemUrls.schema,
    obj: thing,
    value: { url: thing, schema },
  });
  if (made.code === undefined) {
    for (let index = 0; index < 20; index++) {
      accepted(world.say(world.admin, { url: thing, obj: `t${index}`, value: { p1: true } }));
    }
  } else assert.equal(made.code, 'BCDB_SCHEMA_INVALID');
  // No measurement: what is quadratic in the properties takes minutes.
  assert.ok(performance.now() - startedMs < 60_000);
});

test('strangers without rights leave nothing behind, however many keys they have', async () => {
  await using folder = await tempFolder();
  // It stands still, so that no tick comes.
  const clock = new ManualClock(1_800_000_000_000);
  await using bcdb = await openNotes({ dataDir: folder.path, owner: SigningKey.generate(), clock });
  await writeNotes(bcdb, 1);
  const { size } = bcdb.head;
  const { digest } = bcdb;
  for (let round = 0; round < 10; round++) {
    const appends = Array.from({ length: 1000 }, () => {
      const entry = signNote(bcdb, SigningKey.generate(), { obj: 'stolen', value: {} });
      return bcdb.append(entry).then(
        () => 'ok',
        (error: { readonly code: string }) => error.code,
      );
    });
    assert.deepEqual([...new Set(await Promise.all(appends))], ['BCDB_DENIED']);
  }
  assert.equal(bcdb.head.size, size);
  assert.equal(bcdb.digest, digest);
});

test('records at and beyond their limits have a code each, and the log goes on', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using bcdb = await openNotes({ dataDir: folder.path, owner });
  const refused = (work: () => ReturnType<typeof bcdb.append>, code: string): Promise<void> =>
    assert.rejects(async () => work(), { code });
  const said = { ns: 'notes', op: 'put', url: noteUrl, obj: 'n' } as const;
  const schema = bcdb.schemaOf('notes', noteUrl);
  const next = (): number => bcdb.lastN(bcdb.owner) + 1;
  const sign = (payload: Uint8Array, more: object = {}, n = next()): Entry =>
    signRecord(owner, { ...said, schema, payload, ...more }, { log: bcdb.log, n, t: 0 });
  const large = canonicalBytes({ text: 'x'.repeat(payloadBytesMax) });
  await refused(() => bcdb.append(sign(large)), 'BCDB_TOO_LARGE');
  const exact = canonicalBytes('x'.repeat(payloadBytesMax - 2));
  assert.equal(exact.length, payloadBytesMax);
  await refused(() => bcdb.append(sign(exact)), 'BCDB_SCHEMA_MISMATCH');
  const deep = new TextEncoder().encode(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  for (const text of ['{"text":"a","text":"b"}', '{"rank":1e400}', '{"rank":1.0}', '', '{']) {
    const payload = new TextEncoder().encode(text);
    await refused(() => bcdb.append(sign(payload)), 'BCDB_PAYLOAD_INVALID');
  }
  await refused(() => bcdb.append(sign(deep)), 'BCDB_PAYLOAD_INVALID');
  const valid = canonicalBytes({});
  await refused(() => bcdb.append(sign(valid, {}, 2 ** 53 - 1)), 'BCDB_COUNTER_GAP');
  const long = { ns: 'a'.repeat(64), url: `${'a'.repeat(94)}.1`, obj: 'o'.repeat(256) };
  const seen = { size: 2 ** 53 - 1, root: 'A'.repeat(43) };
  const prev = 'A'.repeat(43);
  await refused(() => bcdb.append(sign(valid, { ...long, seen, prev })), 'BCDB_FORKED_VIEW');
  await refused(() => bcdb.append(sign(valid, { ...long, prev })), 'BCDB_NAMESPACE_UNKNOWN');
  await refused(() => bcdb.append(sign(valid, { obj: 'o'.repeat(129) })), 'BCDB_ENVELOPE_INVALID');
  for (const obj of ['nоte', 'a b', 'a\u0000', '-a', '', 'a\n', 'ａ']) {
    assert.throws(() => sign(valid, { obj }), { code: 'BCDB_ENVELOPE_INVALID' });
  }
  for (const n of [0, -1, 1.5, 2 ** 53, Number.NaN]) {
    const envelope = { author: bcdb.owner, log: bcdb.log, n, ...said, t: 0, v: 1 } as const;
    const entry = { leaf: Buffer.concat([Buffer.from(textOr(envelope)), Buffer.alloc(64)]) };
    await refused(() => bcdb.append({ ...entry, body: undefined }), 'BCDB_ENVELOPE_INVALID');
  }
  await writeNotes(bcdb, 1, 'after');
});

/** The text of an envelope, also of one that no client would make. */
function textOr(envelope: Parameters<typeof envelopeText>[0]): string {
  return envelopeText({ ...envelope, n: 1 }).replace('"n":1,', `"n":${envelope.n},`);
}
