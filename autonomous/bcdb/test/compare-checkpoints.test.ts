import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@commongrid/base/testing';
import { HeadMemory } from '../src/client/head-memory.ts';
import { toBase64url } from '../src/tree/base64.ts';
import { contact, serveTeam } from './http-fixture.ts';

test('a checkpoint that somebody else was shown is held to those seen here', async (t) => {
  const { bcdb, trust } = await serveTeam(t);
  const memory = new HeadMemory({
    trust,
    consistency: async (from, to) => bcdb.consistencyProof(from, to).map(toBase64url),
    succession: async () => undefined,
  });
  const first = bcdb.signedHead().note;
  // Nothing was seen here yet: there is nothing to hold it to.
  assert.equal(await memory.compare(first, undefined), false);
  await memory.accept(first, undefined, undefined);
  const name = { ns: 'team', url: contact, obj: 'ada' };
  await bcdb.write({ ...name, op: 'put', value: { name: 'Ada' } });
  const second = bcdb.signedHead().note;
  assert.equal(await memory.compare(second, undefined), false);
  assert.equal(memory.last?.note, first, 'what others were shown is not what was seen');
  await memory.accept(second, undefined, undefined);
  assert.equal(await memory.compare(first, undefined), true);
  assert.equal(await memory.compare(second, undefined), true);
});

test('a checkpoint of another log, or of nobody, is refused', async (t) => {
  const [one, other] = [await serveTeam(t), await serveTeam(t)];
  const client = await one.client();
  const foreign = other.bcdb.signedHead().note;
  await assert.rejects(client.compare(foreign), hasCode('BCDB_OTHER_LOG'));
  const unsigned = one.bcdb.signedHead().note.replace(/\n— .*$/s, '\n');
  await assert.rejects(client.compare(unsigned), hasCode('BCDB_NOTE_INVALID'));
  assert.equal(await client.compare(one.bcdb.signedHead().note), true);
});

test('a record is proven by its place', async (t) => {
  const { bcdb, client: connect } = await serveTeam(t);
  const name = { ns: 'team', url: contact, obj: 'ada' };
  const { seq } = await bcdb.write({ ...name, op: 'put', value: { name: 'Ada' } });
  const client = await connect();
  const { envelope, value, seq: at } = await client.proveRecord(seq);
  assert.deepEqual([envelope.obj, value, at], ['ada', { name: 'Ada' }, seq]);
  await assert.rejects(client.proveRecord(seq + 1_000), hasCode('BCDB_SEQ_UNKNOWN'));
});
