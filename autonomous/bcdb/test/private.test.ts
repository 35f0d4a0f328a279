import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { canonicalBytes, parseCanonical, SealingKey, SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { makeReaders, openReaders } from '../src/private/readers.ts';
import { openPayload, sealPayload } from '../src/private/sealed-payload.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import { signRecord } from '../src/record/author.ts';
import { systemUrls } from '../src/record/system-records.ts';
import type { ReadersRecord } from '../src/record/system-records.ts';

const note = 'net.example.note.1';
const ns = 'secret';

/** A private namespace, and a writer who appends what is sealed already. */
class PrivateWorld implements AsyncDisposable {
  readonly bcdb: Bcdb;
  readonly #writer = SigningKey.generate();

  constructor(bcdb: Bcdb) {
    this.bcdb = bcdb;
  }

  async begin(): Promise<void> {
    const writer = { to: this.#writer.publicKey.text, rights: ['write'] };
    const value = { grants: [{ to: this.bcdb.owner, rights: ['admin'] }, writer], isPrivate: true };
    await this.bcdb.write({ ns, op: 'put', url: systemUrls.namespace, obj: 'namespace', value });
  }

  async readers(record: ReadersRecord): Promise<void> {
    const value = record as unknown as JsonValue;
    await this.bcdb.write({ ns, op: 'put', url: systemUrls.readers, obj: 'readers', value });
  }

  async put(obj: string, payload: Uint8Array, schema?: string): Promise<number> {
    const { bcdb } = this;
    const n = bcdb.lastN(this.#writer.publicKey.text) + 1;
    const statement = { ns, op: 'put', url: note, obj, payload, schema } as const;
    const entry = signRecord(this.#writer, statement, { log: bcdb.log, n, t: 0 });
    return (await bcdb.append(entry)).seq;
  }

  async payloadAt(seq: number): Promise<Uint8Array> {
    for await (const [entry] of this.bcdb.read(seq, seq + 1)) {
      const payload = entry && checkRecord(entry).payload;
      if (payload !== undefined) return payload;
    }
    throw new Error(`record ${seq} has no payload`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.bcdb.close();
  }
}

test('readers of a private namespace read it, others do not, and the one removed no further', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using world = new PrivateWorld(await Bcdb.open({ dataDir: folder.path, owner }));
  await world.begin();
  const { log } = world.bcdb;
  const [ann, bob, eve] = [SealingKey.generate(), SealingKey.generate(), SealingKey.generate()];
  const first = await makeReaders({ log, ns }, 1, [ann.publicKey, bob.publicKey]);
  await world.readers(first.record);
  const place = { log, ns, url: note, obj: 'a' };
  const text = canonicalBytes({ text: 'the treasure is under the oak' });
  const seq = await world.put('a', sealPayload(first.key, place, text));
  const stored = await world.payloadAt(seq);
  assert.equal(Buffer.from(stored).includes('treasure'), false);
  const annsKey = await openReaders({ log, ns }, first.record, ann);
  assert.ok(annsKey !== undefined);
  assert.deepEqual(parseCanonical(openPayload(annsKey, place, stored)), {
    text: 'the treasure is under the oak',
  });
  assert.equal(await openReaders({ log, ns }, first.record, eve), undefined);
  const second = await makeReaders({ log, ns }, 2, [ann.publicKey]);
  await world.readers(second.record);
  const later = sealPayload(second.key, { ...place, obj: 'b' }, text);
  assert.equal(await openReaders({ log, ns }, second.record, bob), undefined);
  const bobsKey = await openReaders({ log, ns }, first.record, bob);
  assert.ok(bobsKey !== undefined);
  assert.throws(() => openPayload(bobsKey, { ...place, obj: 'b' }, later), {
    code: 'BCDB_SEALED_INVALID',
  });
});

test('a sealed payload of one object does not pass for another, nor with a changed byte', async () => {
  const { key } = await makeReaders({ log: 'A'.repeat(43), ns }, 1, []);
  const place = { log: 'A'.repeat(43), ns, url: note, obj: 'a' };
  const sealed = sealPayload(key, place, new Uint8Array(10));
  const invalid = { code: 'BCDB_SEALED_INVALID' };
  for (const other of [
    { ...place, obj: 'b' },
    { ...place, ns: 'other' },
    { ...place, log: 'B'.repeat(43) },
  ]) {
    assert.throws(() => openPayload(key, other, sealed), invalid);
  }
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.with(at, (sealed[at] ?? 0) ^ 1);
    assert.throws(() => openPayload(key, place, changed), invalid, `byte ${at}`);
  }
  assert.throws(() => openPayload(key, place, sealed.subarray(0, 20)), invalid);
});

test('a private namespace has no schemas, and its keys are counted', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  await using world = new PrivateWorld(await Bcdb.open({ dataDir: folder.path, owner }));
  await world.begin();
  const { log } = world.bcdb;
  const reader = SealingKey.generate().publicKey;
  const { record } = await makeReaders({ log, ns }, 2, [reader]);
  await assert.rejects(world.readers(record), { code: 'BCDB_CONFLICT' });
  const withSchema = world.put('a', canonicalBytes({}), 'A'.repeat(43));
  await assert.rejects(withSchema, { code: 'BCDB_NAMESPACE_PRIVATE' });
  await world.bcdb.createNamespace('open');
  const { record: first } = await makeReaders({ log, ns: 'open' }, 1, [reader]);
  const value = first as unknown as JsonValue;
  const inOpen = { ns: 'open', op: 'put', url: systemUrls.readers, obj: 'readers', value } as const;
  await assert.rejects(world.bcdb.write(inOpen), { code: 'BCDB_NAME_RESERVED' });
});
