import assert from 'node:assert/strict';
import { cp, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { verifyRecordProof } from '../src/browser.ts';
import { BcdbFolder } from '../src/config.ts';
import { writeIdentity } from '../src/genesis-file.ts';
import { applyHandover, stateHandover } from '../src/offline/handover.ts';
import { restoreBackup } from '../src/offline/restore-backup.ts';
import { StoppedFolder } from '../src/offline/stopped-folder.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import type { Genesis } from '../src/record/genesis.ts';
import { signHandover } from '../src/record/handover.ts';
import { nodePrimitives } from '../src/tree/node-primitives.ts';
import { Verifier } from '../src/tree/verifier.ts';
import type { Trust } from '../src/tree/verifier.ts';
import { backUp, handOver, makeNotes } from './support/handover-town.ts';
import { noteUrl, openNotes, verifyAll, writeNotes } from './support/notes.ts';

const owner = SigningKey.generate();

test('a log goes on over two handovers, and verifies with nothing but its genesis', async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, 'a');
  await makeNotes({ dataDir, owner });
  const first = await handOver(dataDir, owner);
  {
    await using bcdb = await Bcdb.open({ dataDir, owner });
    assert.equal(bcdb.sequencer, first.sequencer);
    await writeNotes(bcdb, 5, 'second');
  }
  const second = await handOver(dataDir, owner);
  await using bcdb = await Bcdb.open({ dataDir, owner });
  assert.notEqual(second.sequencer, first.sequencer);
  assert.equal(bcdb.sequencer, second.sequencer);
  await writeNotes(bcdb, 5, 'third');

  const report = await verifyAll(folder.path, bcdb);
  assert.equal(report.fault, undefined);
  assert.equal(report.sequencer, second.sequencer);
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const proof: unknown = JSON.parse(JSON.stringify(await bcdb.prove(bcdb.head.size - 1)));
  for (const verify of [
    verifyRecordProof,
    new Verifier(nodePrimitives).verifyRecordProof.bind(new Verifier(nodePrimitives)),
  ]) {
    assert.equal(verify(proof, trust).seq, bcdb.head.size - 1);
    const { succession: _without, ...bare } = proof as Record<string, unknown>;
    assert.throws(() => verify(bare, trust), { code: 'BCDB_CHECKPOINT_UNSIGNED' });
  }
  await bcdb.close();
  const verified = await verifyFolder(dataDir);
  assert.equal(verified.fault, undefined);
  assert.deepEqual(verified.findings, []);
});

test('what a former sequencer signs on after the handover does not verify', async () => {
  await using folder = await tempFolder();
  const [dataDir, old] = ['a', 'old'].map((name) => join(folder.path, name));
  assert.ok(dataDir !== undefined && old !== undefined);
  await makeNotes({ dataDir, owner });
  await cp(dataDir, old, { recursive: true });
  await handOver(dataDir, owner);
  await using bcdb = await Bcdb.open({ dataDir, owner });
  await using former = await Bcdb.open({ dataDir: old, owner });
  await writeNotes(former, 5, 'late');
  const verifier = new Verifier(nodePrimitives);
  const founding = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const trust = verifier.extendTrust(founding, bcdb.succession);
  assert.throws(() => verifier.verifyCheckpoint(former.checkpoint(), trust), {
    code: 'BCDB_CHECKPOINT_UNSIGNED',
  });
  const proof = await former.prove(former.head.size - 1);
  assert.throws(() => verifyRecordProof(proof, trust), { code: 'BCDB_CHECKPOINT_UNSIGNED' });
});

test('a log whose key is lost is handed over without it', async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, 'a');
  await makeNotes({ dataDir, owner });
  await rm(join(dataDir, 'sequencer.key'));
  await assert.rejects(Bcdb.open({ dataDir, owner }), { code: 'BCDB_FOLDER_DAMAGED' });
  await handOver(dataDir, owner);
  await using bcdb = await Bcdb.open({ dataDir, owner });
  await writeNotes(bcdb, 1, 'again');
});

test('a restored folder serves nobody until it was handed over', async () => {
  await using folder = await tempFolder();
  const [from, to, backup] = ['from', 'to', 'backup'].map((name) => join(folder.path, name));
  assert.ok(from !== undefined && to !== undefined && backup !== undefined);
  await makeNotes({ dataDir: from, owner });
  await backUp(from, backup);
  let known = '';
  {
    await using bcdb = await Bcdb.open({ dataDir: from, owner });
    await writeNotes(bcdb, 7, 'later');
    known = bcdb.checkpoint();
  }
  const { verified } = await restoreBackup(backup, to);
  await assert.rejects(Bcdb.open({ dataDir: to, owner }), { code: 'BCDB_HANDOVER_NEEDED' });
  const { statement } = await stateHandover(to, { known });
  assert.equal(statement.size, verified);
  assert.ok((statement.lost?.size ?? 0) > verified);
  assert.deepEqual((await stateHandover(to)).statement, statement);
  await assert.rejects(Bcdb.open({ dataDir: to, owner }), { code: 'BCDB_HANDOVER_NEEDED' });
  await handOver(to, owner, { known });
  await using bcdb = await Bcdb.open({ dataDir: to, owner });
  assert.equal(bcdb.succession.handovers[0]?.statement.lost?.size, statement.lost?.size);
  await bcdb.close();
  // The backup of a log that was handed over has the newest key.
  const again = join(folder.path, 'again');
  await backUp(to, `${backup}-2`);
  await restoreBackup(`${backup}-2`, again, { nothingLost: true });
  await using restored = await Bcdb.open({ dataDir: again, owner });
  assert.equal(restored.sequencer, bcdb.sequencer);
});

test('a handover from before a backup does not end the restore of it', async () => {
  await using folder = await tempFolder();
  const [from, to, backup] = ['from', 'to', 'backup'].map((name) => join(folder.path, name));
  assert.ok(from !== undefined && to !== undefined && backup !== undefined);
  await makeNotes({ dataDir: from, owner });
  const { statement } = await stateHandover(from);
  const before = signHandover({ statement, signatures: [] }, owner);
  await applyHandover(from, [before]);
  // The backup ends with the handover; what the new key signs after it is lost.
  await backUp(from, backup);
  await makeNotes({ dataDir: from, owner }, 5);
  await restoreBackup(backup, to);
  await assert.rejects(applyHandover(to, [before]), { code: 'BCDB_HANDOVER_NEEDED' });
  await assert.rejects(Bcdb.open({ dataDir: to, owner }), { code: 'BCDB_HANDOVER_NEEDED' });
  const { sequencer } = await handOver(to, owner);
  assert.notEqual(sequencer, statement.sequencer);
  await using bcdb = await Bcdb.open({ dataDir: to, owner });
  assert.equal(bcdb.sequencer, sequencer);
});

test('a handover that is applied again leaves the key of the next one that was stated', async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, 'a');
  await makeNotes({ dataDir, owner });
  const { statement } = await stateHandover(dataDir);
  const signed = signHandover({ statement, signatures: [] }, owner);
  await applyHandover(dataDir, [signed]);
  await makeNotes({ dataDir, owner }, 1);
  const next = (await stateHandover(dataDir)).statement;
  await applyHandover(dataDir, [signed]);
  await applyHandover(dataDir, [signHandover({ statement: next, signatures: [] }, owner)]);
  await using bcdb = await Bcdb.open({ dataDir, owner });
  assert.equal(bcdb.sequencer, next.sequencer);
});

test('a quorum of admins signs in files of their own, in any order', async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, 'a');
  await makeNotes({ dataDir, owner });
  const { statement, admins } = await stateHandover(dataDir);
  assert.deepEqual(admins, { signers: [owner.publicKey.text], min: 1 });
  assert.equal((await stat(join(dataDir, 'handover.pending.json'))).mode & 0o777, 0o600);
  const unsigned = { statement, signatures: [] };
  const stranger = signHandover(unsigned, SigningKey.generate());
  await assert.rejects(applyHandover(dataDir, []), { code: 'BCDB_HANDOVER_INVALID' });
  await assert.rejects(applyHandover(dataDir, [unsigned, stranger]), {
    code: 'BCDB_HANDOVER_UNSIGNED',
  });
  const signed = signHandover(unsigned, owner);
  const other = signHandover({ statement: { ...statement, at: 1 }, signatures: [] }, owner);
  await assert.rejects(applyHandover(dataDir, [signed, other]), { code: 'BCDB_HANDOVER_INVALID' });
  await assert.rejects(applyHandover(dataDir, [other]), { code: 'BCDB_HANDOVER_INVALID' });
  const report = await applyHandover(dataDir, [stranger, signed]);
  assert.equal(report.sequencer, statement.sequencer);
  assert.deepEqual(await applyHandover(dataDir, [signed]), report);
});

test('two of three admins hand a log over, and none of them alone', async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, 'a');
  const admins = [owner, SigningKey.generate(), SigningKey.generate()];
  const sequencerKey = SigningKey.generate();
  const genesis: Genesis = {
    format: 'bcdb/1',
    nonce: Buffer.alloc(32).toString('base64url'),
    at: 0,
    sequencer: sequencerKey.publicKey.text,
    admins: { signers: admins.map(({ publicKey }) => publicKey.text), min: 2 },
    releaseKeys: [],
    isOpen: false,
  };
  await mkdir(dataDir);
  await writeIdentity(new BcdbFolder(dataDir), { genesis, sequencerKey });
  await makeNotes({ dataDir, owner });
  const { statement } = await stateHandover(dataDir);
  const [first, second, third] = admins.map((admin) =>
    signHandover({ statement, signatures: [] }, admin),
  );
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  for (const tooFew of [[first], [first, first], [second]]) {
    await assert.rejects(applyHandover(dataDir, tooFew), { code: 'BCDB_HANDOVER_UNSIGNED' });
  }
  await applyHandover(dataDir, [third, first]);
  await using bcdb = await Bcdb.open({ dataDir, owner });
  assert.equal(bcdb.sequencer, statement.sequencer);
  const report = await verifyAll(folder.path, bcdb);
  assert.equal(report.fault, undefined);
});

test('a statement is void once the log went on', async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, 'a');
  await makeNotes({ dataDir, owner });
  const { statement } = await stateHandover(dataDir);
  {
    await using bcdb = await openNotes({ dataDir, owner });
    await writeNotes(bcdb, 1, 'more');
  }
  const signed = signHandover({ statement, signatures: [] }, owner);
  await assert.rejects(applyHandover(dataDir, [signed]), { code: 'BCDB_HANDOVER_INVALID' });
  const next = await stateHandover(dataDir);
  assert.notEqual(next.statement.sequencer, statement.sequencer);
  assert.ok(next.statement.at > statement.at);
});

test('a handover that is killed between its steps is finished by whatever opens the folder', async () => {
  await using folder = await tempFolder();
  const made = join(folder.path, 'made');
  await makeNotes({ dataDir: made, owner });
  const { statement } = await stateHandover(made);
  const signed = signHandover({ statement, signatures: [] }, owner);
  const secrets = ['sequencer.key', 'handover.pending.json'];
  for (const file of secrets) await cp(join(made, file), join(folder.path, file));
  await applyHandover(made, [signed]);
  assert.deepEqual((await readdir(made)).includes('handover.pending.json'), false);
  // The record was written, and nothing after it.
  for (const file of secrets) await cp(join(folder.path, file), join(made, file));
  const finishers = {
    server: async (dataDir: string) => (await Bcdb.open({ dataDir, owner })).close(),
    offline: async (dataDir: string) => (await StoppedFolder.open(dataDir)).close(),
    again: async (dataDir: string) => void (await applyHandover(dataDir, [signed])),
    stated: async (dataDir: string) => {
      assert.deepEqual((await stateHandover(dataDir)).statement, statement);
    },
  };
  for (const [name, finish] of Object.entries(finishers)) {
    const dataDir = join(folder.path, name);
    await cp(made, dataDir, { recursive: true });
    await finish(dataDir);
    await using bcdb = await Bcdb.open({ dataDir, owner });
    assert.equal(bcdb.sequencer, statement.sequencer, name);
    await bcdb.write({ ns: 'notes', op: 'put', url: noteUrl, obj: 'x', value: { text: name } });
    assert.equal((await readdir(dataDir)).includes('handover.pending.json'), false, name);
  }
});

test('a folder with the key of another sequencer opens nowhere', async () => {
  await using folder = await tempFolder();
  const dataDir = join(folder.path, 'a');
  await makeNotes({ dataDir, owner });
  await cp(join(dataDir, 'sequencer.key'), join(folder.path, 'old'));
  await handOver(dataDir, owner);
  await rename(join(folder.path, 'old'), join(dataDir, 'sequencer.key'));
  await assert.rejects(Bcdb.open({ dataDir, owner }), { code: 'BCDB_FOLDER_DAMAGED' });
  await assert.rejects(StoppedFolder.open(dataDir), { code: 'BCDB_FOLDER_DAMAGED' });
  await writeFile(join(dataDir, 'sequencer.key'), 'x');
  await assert.rejects(Bcdb.open({ dataDir, owner }), { code: 'BCDB_FOLDER_DAMAGED' });
});

test('a handover counts over one that is lost, also where the clock is behind that', async () => {
  await using folder = await tempFolder();
  const [from, to, backup] = ['from', 'to', 'backup'].map((name) => join(folder.path, name));
  assert.ok(from !== undefined && to !== undefined && backup !== undefined);
  await makeNotes({ dataDir: from, owner });
  await backUp(from, backup);
  await handOver(from, owner);
  const { knownHandovers, known, trust } = await branchOf(from);
  await restoreBackup(backup, to);
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() - 3_600_000 };
  const behind = await stateHandover(to, { clock });
  await assert.rejects(stateHandover(to, { clock, known }), { code: 'BCDB_CHECKPOINT_UNSIGNED' });
  const { statement } = await stateHandover(to, { clock, known, knownHandovers });
  assert.ok(behind.statement.at < statement.at);
  assert.ok((statement.lost?.size ?? 0) > statement.size);
  await applyHandover(to, [signHandover({ statement, signatures: [] }, owner)]);
  const { knownHandovers: shown } = await branchOf(to);
  const next = new Verifier(nodePrimitives).extendTrust(trust, shown);
  assert.equal(next.handovers?.at(-1)?.sequencer, statement.sequencer);
});

/** What others saw of a database. */
async function branchOf(
  dataDir: string,
): Promise<{ knownHandovers: unknown; known: string; trust: Trust }> {
  await using bcdb = await Bcdb.open({ dataDir, owner });
  const knownHandovers: unknown = JSON.parse(JSON.stringify(bcdb.succession));
  const founding = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const trust = new Verifier(nodePrimitives).extendTrust(founding, knownHandovers);
  return { knownHandovers, known: bcdb.checkpoint(), trust };
}
