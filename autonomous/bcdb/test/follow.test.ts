import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { delay, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { BcdbFolder } from '../src/config.ts';
import type { Follower } from '../src/follow/follower.ts';
import { openLedger } from '../src/ledger/open-ledger.ts';
import { signRecord } from '../src/record/author.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import type { Entry } from '../src/record/entry.ts';
import type { Genesis } from '../src/record/genesis.ts';
import { LocalSource } from '../src/testing/local-source.ts';
import { evidenceIn } from './support/evidence.ts';
import { follow, noteUrl, openNotes, writeNotes } from './support/notes.ts';

function makeNotes(dataDir: string, owner = SigningKey.generate()): Promise<Bcdb> {
  return openNotes({ dataDir, owner });
}

async function caughtUp({ ledger }: Follower, bcdb: Bcdb): Promise<void> {
  await waitFor(() => ledger.head.size === bcdb.head.size, {
    what: 'the replica',
    timeoutMs: 60_000,
  });
  assert.deepEqual(Buffer.from(ledger.head.root), Buffer.from(bcdb.head.root));
}

test('a replica comes to the same log and the same state, and goes on after a restart', async () => {
  await using folder = await tempFolder();
  await using bcdb = await makeNotes(join(folder.path, 'a'));
  await writeNotes(bcdb, 2500);
  const source = new LocalSource(bcdb);
  {
    await using follower = await follow(join(folder.path, 'b'), bcdb, source);
    await caughtUp(follower, bcdb);
    assert.equal(follower.ledger.fold.digest, bcdb.digest);
    assert.deepEqual(follower.replica.alarms, []);
  }
  await writeNotes(bcdb, 50, 'm');
  await using follower = await follow(join(folder.path, 'b'), bcdb, source);
  await caughtUp(follower, bcdb);
  assert.equal(follower.ledger.fold.digest, bcdb.digest);
});

test('entries that were changed, left out or swapped on the way never enter a replica', async () => {
  await using folder = await tempFolder();
  await using bcdb = await makeNotes(join(folder.path, 'a'));
  await writeNotes(bcdb, 20);
  const source = new LocalSource(bcdb);
  const twists: readonly LocalSource['twist'][] = [
    (entries) => entries.map((entry, index) => (index === 3 ? flipped(entry) : entry)),
    (entries) => entries.toSpliced(5, 1),
    (entries) => [...entries.slice(0, 4), ...entries.slice(4).toReversed()],
    (entries) => entries.slice(1),
  ];
  await using follower = await follow(join(folder.path, 'b'), bcdb, source);
  for (const twist of twists) {
    source.twist = twist;
    await delay(300);
    const { size, root } = follower.ledger.head;
    assert.deepEqual(Buffer.from(root), Buffer.from(bcdb.rootAt(size)));
  }
  source.twist = (entries) => entries;
  await caughtUp(follower, bcdb);
  assert.equal(follower.replica.halted, undefined);
});

test('a log that was forked or rolled back halts the replica, with the evidence kept', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const [first, second, old] = ['a', 'fork', 'old'].map((name) => join(folder.path, name));
  assert.ok(first !== undefined && second !== undefined && old !== undefined);
  {
    await using bcdb = await makeNotes(first, owner);
    await writeNotes(bcdb, 10);
  }
  await cp(first, second, { recursive: true });
  await cp(first, old, { recursive: true });
  await using honest = await Bcdb.open({ dataDir: first, owner });
  await using fork = await Bcdb.open({ dataDir: second, owner });
  await writeNotes(honest, 5, 'x');
  await writeNotes(fork, 9, 'y');
  for (const [name, later, code] of [
    ['rolled', fork, 'BCDB_LOG_ROLLED_BACK'],
    ['forked', fork, 'BCDB_LOG_FORKED'],
  ] as const) {
    const source = new LocalSource(honest);
    const data = join(folder.path, name);
    await using follower = await follow(data, honest, source);
    await caughtUp(follower, honest);
    if (name === 'rolled') {
      source.frozen = await checkpointOf(old, owner);
    } else source.bcdb = later;
    await waitFor(() => follower.replica.halted !== undefined, {
      what: 'the halt',
      timeoutMs: 60_000,
    });
    assert.equal(follower.replica.halted?.code, code);
    await evidenceIn(data, code);
  }
});

test('a sequencer that commits to a record which nobody signed convicts itself', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const dataDir = join(folder.path, 'a');
  {
    await using bcdb = await makeNotes(dataDir, owner);
    await writeNotes(bcdb, 3);
    const schema = bcdb.schemaOf('notes', noteUrl);
    const payload = canonicalBytes({ text: 'never said' });
    const said = { ns: 'notes', op: 'put', url: noteUrl, obj: 'forged', schema, payload } as const;
    const n = bcdb.lastN(bcdb.owner) + 1;
    const entry = signRecord(owner, said, { log: bcdb.log, n, t: 0 });
    await bcdb.close();
    await smuggle(dataDir, bcdb.genesis, flipped(entry, entry.leaf.length - 1));
  }
  await using bcdb = await Bcdb.open({ dataDir, owner });
  await using follower = await follow(join(folder.path, 'b'), bcdb, new LocalSource(bcdb));
  await waitFor(() => follower.replica.halted !== undefined, {
    what: 'the halt',
    timeoutMs: 60_000,
  });
  assert.equal(follower.replica.halted?.code, 'BCDB_SIGNATURE_INVALID');
});

test('a head that is frozen grows too old to act on', async () => {
  await using folder = await tempFolder();
  await using bcdb = await makeNotes(join(folder.path, 'a'));
  const source = new LocalSource(bcdb);
  source.frozen = bcdb.checkpoint();
  await using follower = await follow(join(folder.path, 'b'), bcdb, source);
  await waitFor(() => follower.replica.sourceHead !== undefined, {
    what: 'a head',
    timeoutMs: 60_000,
  });
  follower.replica.requireFresh(30);
  const later = Date.now() + 31_000;
  assert.throws(() => follower.replica.requireFresh(30, later), { code: 'BCDB_VIEW_STALE' });
});

test('a replica judges anew: what the rules refuse does nothing there and raises an alarm', async () => {
  await using folder = await tempFolder();
  const owner = SigningKey.generate();
  const dataDir = join(folder.path, 'a');
  const statement = { ns: 'notes', op: 'put', url: noteUrl, obj: 'stolen' } as const;
  {
    await using bcdb = await makeNotes(dataDir, owner);
    await writeNotes(bcdb, 3);
    const schema = bcdb.schemaOf('notes', noteUrl);
    const said = { ...statement, schema, payload: canonicalBytes({ text: 'mine' }) };
    const entry = signRecord(SigningKey.generate(), said, { log: bcdb.log, n: 1, t: 0 });
    await bcdb.close();
    await smuggle(dataDir, bcdb.genesis, entry);
  }
  await using bcdb = await Bcdb.open({ dataDir, owner });
  await writeNotes(bcdb, 3, 'late');
  await using follower = await follow(join(folder.path, 'b'), bcdb, new LocalSource(bcdb));
  await caughtUp(follower, bcdb);
  const [alarm] = follower.replica.alarms;
  assert.equal(alarm?.reason.code, 'BCDB_DENIED');
  assert.equal(follower.ledger.view.head(statement), undefined);
});

async function checkpointOf(dataDir: string, owner: SigningKey): Promise<string> {
  await using bcdb = await Bcdb.open({ dataDir, owner });
  return bcdb.checkpoint();
}

/** Puts a record into the log of a closed database, whatever the rules say. */
async function smuggle(dataDir: string, genesis: Genesis, entry: Entry): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const { ledger } = await openLedger({ folder: new BcdbFolder(dataDir), genesis, opened });
  await ledger.catchUp();
  const batch = ledger.begin();
  batch.take(checkRecord(entry));
  await ledger.end(batch);
}

function flipped({ leaf, body }: Entry, at = 20): Entry {
  const copy = new Uint8Array(leaf);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return { leaf: copy, body };
}
