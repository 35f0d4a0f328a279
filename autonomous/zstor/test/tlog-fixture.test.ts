import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { continues, firstState, follow, snapshotOf } from '../src/catalog/chain.ts';
import { openExtent, openMembership, openSnapshots } from '../src/catalog/notes.ts';
import { openFile } from '../src/catalog/snapshot-stream.ts';
import { TlogCipher } from '../src/catalog/tlog-cipher.ts';
import { bodyOf, decodeRecord, encodeRecord } from '../src/catalog/tlog-record.ts';
import {
  tlogBodies,
  tlogExtent,
  tlogKey,
  tlogLogId,
  tlogMembers,
  tlogSnapshots,
} from './fixtures/tlog-facts.ts';

interface Fixture {
  readonly records: readonly { readonly value: string; readonly hash: string }[];
  readonly membership: string;
  readonly snapshots: string;
  readonly extent: string;
  readonly snapshot: string;
}

const cipher = new TlogCipher(tlogKey, tlogLogId);

async function fixtureOf(format: number): Promise<Fixture> {
  const name = `fixtures/tlog-v${format}.json`;
  return JSON.parse(await readFile(new URL(name, import.meta.url), 'utf8'));
}

for (const format of [1, 2]) {
  const fixture = await fixtureOf(format);

  test(`log of format ${format} is read as it was written`, () => {
    let state = firstState([]);
    for (const [i, { value, hash }] of fixture.records.entries()) {
      const record = decodeRecord(cipher, Buffer.from(value, 'base64'));
      assert.equal(record.kind, tlogBodies[i]?.kind);
      assert.equal(bodyOf(record).toString(), tlogBodies[i]?.body.toString());
      assert.equal(record.hash.toString('hex'), hash);
      assert.ok(continues(state, record));
      // Whoever takes the log over writes it in the newest format: it stays the same record.
      assert.deepEqual(decodeRecord(cipher, encodeRecord(cipher, record)), record);
      if (record.kind === 'snapshot') assert.deepEqual(snapshotOf(record), tlogSnapshots[0]);
      state = follow(state, record);
    }
    assert.deepEqual(state.membership, tlogMembers);
    assert.equal(state.index, tlogBodies.length);
  });

  test(`notes beside format ${format} are read as they were written`, () => {
    assert.deepEqual(
      openMembership(cipher, Buffer.from(fixture.membership, 'base64')),
      tlogMembers,
    );
    assert.deepEqual(
      openSnapshots(cipher, Buffer.from(fixture.snapshots, 'base64')),
      tlogSnapshots,
    );
    assert.deepEqual(openExtent(cipher, Buffer.from(fixture.extent, 'base64')), tlogExtent);
  });

  test(`snapshot beside format ${format} is read as it was written`, async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'opened');
    const content = (async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from(fixture.snapshot, 'base64');
    })();
    await openFile(content, path, tlogKey);
    assert.equal(await readFile(path, 'utf8'), 'tables of a snapshot '.repeat(20));
  });
}
