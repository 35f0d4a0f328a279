import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { delay, isGridError, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { adoptHandover } from '../src/follow/adopt-handover.ts';
import type { Follower } from '../src/follow/follower.ts';
import { checkRecord } from '../src/record/checked-record.ts';
import { LocalSource } from '../src/testing/local-source.ts';
import { backUp, handOver, lostEntries, makeNotes, restoreOlder } from './support/handover-town.ts';
import { follow, noteUrl, openNotes, sameState, signNote, writeNotes } from './support/notes.ts';

const owner = SigningKey.generate();

test('a replica goes on over a planned handover, and over the next, and after a restart', async () => {
  await using folder = await tempFolder();
  const [dataDir, copy] = ['a', 'copy'].map((name) => join(folder.path, name));
  assert.ok(dataDir !== undefined && copy !== undefined);
  await makeNotes({ dataDir, owner });
  const before = await Bcdb.open({ dataDir, owner });
  const source = new LocalSource(before);
  await using follower = await follow(copy, before, source);
  await sameState(follower, before);
  for (const round of ['first', 'second']) {
    await source.bcdb.close();
    await handOver(dataDir, owner);
    source.bcdb = await Bcdb.open({ dataDir, owner });
    await writeNotes(source.bcdb, 5, round);
    await sameState(follower, source.bcdb);
  }
  await follower.close();
  await using bcdb = source.bcdb;
  await writeNotes(bcdb, 5, 'restarted');
  await using again = await follow(copy, bcdb);
  await sameState(again, bcdb);
});

test('a replica follows neither a former sequencer nor a source that hides the handover', async () => {
  await using folder = await tempFolder();
  const [dataDir, old, copy] = ['a', 'old', 'copy'].map((name) => join(folder.path, name));
  assert.ok(dataDir !== undefined && old !== undefined && copy !== undefined);
  await makeNotes({ dataDir, owner });
  await cp(dataDir, old, { recursive: true });
  await handOver(dataDir, owner);
  await using former = await openNotes({ dataDir: old, owner });
  await using bcdb = await Bcdb.open({ dataDir, owner });
  const source = new LocalSource(bcdb);
  const shown = source.succession.bind(source);
  const none = { ...bcdb.succession, handovers: [] };
  source.succession = async () => none;
  await using follower = await follow(copy, bcdb, source);
  await delay(500);
  assert.equal(follower.ledger.head.size, 0);
  source.succession = shown;
  await sameState(follower, bcdb);
  const { size } = follower.ledger.head;
  // Beyond the handover: up to there its word is that of the log.
  await writeNotes(former, 20, 'late');
  source.bcdb = former;
  await delay(500);
  assert.equal(follower.ledger.head.size, size);
  assert.equal(follower.replica.halted, undefined);
  source.bcdb = bcdb;
  await writeNotes(bcdb, 3, 'on');
  await sameState(follower, bcdb);
});

test('a replica with more than a restored log adopts the handover, and what was lost comes back', async () => {
  await using folder = await tempFolder();
  const [dataDir, copy, backup] = ['a', 'copy', 'backup'].map((name) => join(folder.path, name));
  assert.ok(dataDir !== undefined && copy !== undefined && backup !== undefined);
  const author = SigningKey.generate();
  await makeNotes({ dataDir, owner });
  {
    await using bcdb = await openNotes({ dataDir, owner });
    const grants = [
      { to: bcdb.owner, rights: ['admin'] },
      { to: author.publicKey.text, rights: ['write'] },
    ];
    const name = { ns: 'notes', url: 'bcdb.namespace.1', obj: 'namespace' } as const;
    await bcdb.write({ ...name, op: 'put', value: { grants } });
    await bcdb.append(signNote(bcdb, author, { obj: 'kept', value: { text: 'kept' } }));
  }
  await backUp(dataDir, backup);
  const lost = await openNotes({ dataDir, owner });
  for (const obj of ['x', 'y']) {
    await lost.append(signNote(lost, author, { obj, value: { text: obj } }));
  }
  const source = new LocalSource(lost);
  const follower = await follow(copy, lost, source);
  await sameState(follower, lost);
  const { size } = lost.head;
  await lost.close();
  const restored = await restoreOlder(folder.path, backup, owner);
  await using bcdb = await Bcdb.open({ dataDir: restored, owner });
  source.bcdb = bcdb;
  const halted = await haltOf(follower);
  assert.equal(halted?.code, 'BCDB_HANDED_OVER');
  assert.equal(follower.ledger.head.size, size);
  await assert.rejects(adoptHandover(copy, halted.details['succession']), {
    code: 'BASE_FOLDER_LOCKED',
  });
  await follower.close();

  const report = await adoptHandover(copy, halted.details['succession']);
  assert.equal(report.kept, halted.details['parting']);
  assert.equal(report.kept + report.lost, size);
  assert.ok(report.formerLog !== undefined && existsSync(report.formerLog));
  const again = await adoptHandover(copy, halted.details['succession']);
  assert.deepEqual(again, { kept: report.kept, lost: 0 });
  await using resumed = await follow(copy, bcdb, source);
  await sameState(resumed, bcdb);

  const entries = await lostEntries(report.lostFile ?? '');
  assert.equal(entries.length, report.lost);
  const said = entries.filter((entry) => checkRecord(entry).envelope.ns !== 'log');
  for (const entry of said) await bcdb.append(entry);
  assert.equal(bcdb.lastN(author.publicKey.text), 3);
  const read = await bcdb.projection
    .waitFor(bcdb.head.size - 1)
    .then(() => bcdb.versionOf('notes', noteUrl, 'y'));
  assert.ok(read !== undefined);
  await sameState(resumed, bcdb);
});

test('an adoption that is killed is finished by the follower, or begun again', async () => {
  await using folder = await tempFolder();
  const [dataDir, copy, backup] = ['a', 'copy', 'backup'].map((name) => join(folder.path, name));
  assert.ok(dataDir !== undefined && copy !== undefined && backup !== undefined);
  await makeNotes({ dataDir, owner });
  await backUp(dataDir, backup);
  const lost = await openNotes({ dataDir, owner });
  await writeNotes(lost, 10, 'lost');
  const follower = await follow(copy, lost);
  await sameState(follower, lost);
  await follower.close();
  await lost.close();
  const restored = await restoreOlder(folder.path, backup, owner);
  await using bcdb = await Bcdb.open({ dataDir: restored, owner });
  // Killed while it copied.
  await mkdir(join(copy, 'log.next'));
  await cp(join(copy, 'log'), join(copy, 'log.next'), { recursive: true });
  const { kept } = await adoptHandover(copy, bcdb.succession);
  // Killed between the two new names.
  await rename(join(copy, 'log'), join(copy, 'log.next'));
  for (const name of ['tree', 'state.sqlite']) {
    await rm(join(copy, name), { recursive: true, force: true });
  }
  await using resumed = await follow(copy, bcdb);
  assert.ok(resumed.ledger.head.size >= kept);
  await sameState(resumed, bcdb);
  assert.deepEqual((await readdir(copy)).filter((name) => name.startsWith('log')).toSorted(), [
    'log',
    `log.given-up-${kept}`,
  ]);
});

test('a replica that was halted by a fork goes on once a handover ends it', async () => {
  await using folder = await tempFolder();
  const paths = ['a', 'fork', 'kept', 'forked'].map((name) => join(folder.path, name));
  const [dataDir = '', forkDir = '', keptCopy = '', forkedCopy = ''] = paths;
  await makeNotes({ dataDir, owner });
  await cp(dataDir, forkDir, { recursive: true });
  const honest = await openNotes({ dataDir, owner });
  await using fork = await openNotes({ dataDir: forkDir, owner });
  await writeNotes(honest, 20, 'x');
  await writeNotes(fork, 3, 'y');
  const keptSource = new LocalSource(honest);
  const forkedSource = new LocalSource(fork);
  await using kept = await follow(keptCopy, honest, keptSource);
  await using forked = await follow(forkedCopy, fork, forkedSource);
  await sameState(kept, honest);
  await sameState(forked, fork);
  [keptSource.bcdb, forkedSource.bcdb] = [fork, honest];
  assert.equal((await haltOf(kept))?.code, 'BCDB_LOG_ROLLED_BACK');
  assert.equal((await haltOf(forked))?.code, 'BCDB_LOG_FORKED');
  await honest.close();
  await handOver(dataDir, owner);
  await using bcdb = await Bcdb.open({ dataDir, owner });
  [keptSource.bcdb, forkedSource.bcdb] = [bcdb, bcdb];
  await waitFor(() => kept.replica.halted === undefined, { what: 'relief', timeoutMs: 60_000 });
  await sameState(kept, bcdb);
  const isOut = (): boolean => isGridError(forked.replica.halted, 'BCDB_HANDED_OVER');
  await waitFor(isOut, { what: 'the handover', timeoutMs: 60_000 });
  const { succession } = forked.replica.halted?.details ?? {};
  await forked.close();
  const { kept: none, lostFile } = await adoptHandover(forkedCopy, succession);
  assert.equal(none, 0);
  assert.ok(lostFile !== undefined);
  await using resumed = await follow(forkedCopy, bcdb, forkedSource);
  await sameState(resumed, bcdb);
});

async function haltOf({ replica }: Follower): Promise<Follower['replica']['halted']> {
  await waitFor(() => replica.halted !== undefined, { what: 'the halt', timeoutMs: 60_000 });
  return replica.halted;
}

test('a copy takes no folder of another log, nor one in use, and leaves them as they are', async () => {
  await using folder = await tempFolder();
  const [a, b] = ['a', 'b'].map((name) => join(folder.path, name));
  assert.ok(a !== undefined && b !== undefined);
  await makeNotes({ dataDir: a, owner });
  await using other = await openNotes({ dataDir: b, owner });
  const genesis = (dataDir: string): Promise<string> =>
    readFile(join(dataDir, 'genesis.json'), 'utf8');
  const before = [await genesis(a), await genesis(b)];
  await assert.rejects(follow(a, other), { code: 'BCDB_OTHER_LOG' });
  await assert.rejects(follow(b, other), { code: 'BASE_FOLDER_LOCKED' });
  assert.deepEqual([await genesis(a), await genesis(b)], before);
  await (await Bcdb.open({ dataDir: a, owner })).close();
});
