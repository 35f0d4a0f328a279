import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { continues, firstState, follow, snapshotOf } from '../src/catalog/chain.ts';
import { openExtent, openMembership, openSnapshots } from '../src/catalog/notes.ts';
import { openFile } from '../src/catalog/snapshot-stream.ts';
import { TlogCipher } from '../src/catalog/tlog-cipher.ts';
import { bodyOf, decodeRecord } from '../src/catalog/tlog-record.ts';
import {
  tlogBodies,
  tlogExtent,
  tlogKey,
  tlogLogId,
  tlogMembers,
  tlogSnapshots,
} from './fixtures/tlog-v1-facts.ts';

interface Fixture {
  readonly records: readonly { readonly value: string; readonly hash: string }[];
  readonly membership: string;
  readonly snapshots: string;
  readonly extent: string;
  readonly snapshot: string;
}

const text = await readFile(new URL('fixtures/tlog-v1.json', import.meta.url), 'utf8');
const fixture: Fixture = JSON.parse(text);
const cipher = new TlogCipher(tlogKey, tlogLogId);

test('log of format 1 is read as it was written', () => {
  let state = firstState([]);
  for (const [i, { value, hash }] of fixture.records.entries()) {
    const record = decodeRecord(cipher, Buffer.from(value, 'base64'));
    assert.equal(record.kind, tlogBodies[i]?.kind);
    assert.equal(bodyOf(record).toString(), tlogBodies[i]?.body.toString());
    assert.equal(record.hash.toString('hex'), hash);
    assert.ok(continues(state, record));
    if (record.kind === 'snapshot') assert.deepEqual(snapshotOf(record), tlogSnapshots[0]);
    state = follow(state, record);
  }
  assert.deepEqual(state.membership, tlogMembers);
  assert.equal(state.index, tlogBodies.length);
});

test('notes of format 1 are read as they were written', () => {
  assert.deepEqual(openMembership(cipher, Buffer.from(fixture.membership, 'base64')), tlogMembers);
  assert.deepEqual(openSnapshots(cipher, Buffer.from(fixture.snapshots, 'base64')), tlogSnapshots);
  assert.deepEqual(openExtent(cipher, Buffer.from(fixture.extent, 'base64')), tlogExtent);
});

test('snapshot of format 1 is read as it was written', async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, 'opened');
  const content = (async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from(fixture.snapshot, 'base64');
  })();
  await openFile(content, path, tlogKey);
  assert.equal(await readFile(path, 'utf8'), 'tables of a snapshot '.repeat(20));
});
