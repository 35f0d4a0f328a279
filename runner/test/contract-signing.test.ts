import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { BcdbClient } from '@commongrid/bcdb/client';
import { GridError, isGridError, waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import type { AuditReport } from '@commongrid/contract';
import { SigningKey } from '@commongrid/crypto';

import { contractIdOf } from '@commongrid/model';
import type { BotId, Contract, ContractId, RecordOf } from '@commongrid/model';

import { KeptContracts } from '../src/bot-service/kept-contracts.ts';
import { byRunningBot } from '../src/bot-service/write-by-bot.ts';
import { BotFolder } from '../src/commands/bot/bot-folder.ts';
import { openGrid } from './fixtures/owned-place.ts';
import { PlannedGrid } from './fixtures/planned-grid.ts';

type Approval = RecordOf<'grid.approval.1'>;

interface SignResult {
  readonly phase: string;
  readonly isHalted: boolean;
  readonly isRejected: boolean;
  readonly said: readonly { readonly action: string; readonly role: string }[];
  readonly missing: readonly { readonly role: string }[];
}

interface ShowResult {
  readonly haltedBy: readonly { readonly name: string }[];
  readonly decisions: readonly {
    readonly action: string;
    readonly role: string;
    readonly signers: readonly { readonly name: string; readonly said: string | null }[];
  }[];
}

/** A grid with a board: ada owns it, and dora, eli and finn decide with her. */
let grid: PlannedGrid;
const board = ['dora', 'eli', 'finn'];

before(async () => {
  grid = await PlannedGrid.open();
  for (const name of board) await grid.bot(name);
});

after(() => grid[Symbol.asyncDispose]());

async function propose(name: string, more: object = {}): Promise<{ id: string; file: string }> {
  const line = { role: 'board', signers: board, min: 2 };
  const definition = {
    ...{ name, roles: [{ name: 'disk', volume: { size: '1GiB' } }] },
    ...{ policy: { provision: [line], remove: [line] }, ...more },
  };
  const source = join(grid.place.path, `${name}.json`);
  await writeFile(source, JSON.stringify(definition));
  const file = join(grid.place.path, `${name}.built.json`);
  await grid.run('contract', 'build', source, '--output', file);
  const { contract: id } = await grid.json<{ contract: string }>('contract', 'propose', file);
  return { id, file };
}

function say(bot: string, verb: string, contract: string, ...more: string[]): Promise<SignResult> {
  return grid.jsonAs(bot, 'contract', verb, contract, ...more, '--yes');
}

const show = (contract: string): Promise<ShowResult> => grid.json('contract', 'show', contract);

/** Appends an approval as it stands. */
async function append(key: SigningKey, value: Approval): Promise<unknown> {
  const { url, trust } = grid.place;
  const client = await BcdbClient.connect({ url, trust, key });
  const obj = `${value.signer}/${value.hash}`;
  return client.write({ ns: 'grid', op: 'put', url: 'grid.approval.1', obj, value: { ...value } });
}

function isRefused(rule: string): (error: unknown) => boolean {
  return (error) => error instanceof GridError && error.details['rule'] === rule;
}

test('a contract is agreed once its owner and two of the board signed by commands', async () => {
  const { id, file } = await propose('archive');
  assert.deepEqual((await say('dora', 'sign', id)).missing.length, 2);
  await assert.rejects(say('dora', 'sign', id), hasCode('CONTRACT_SIGNED'));
  const second = await say('eli', 'sign', 'archive');
  assert.deepEqual([second.phase, second.missing.map(({ role }) => role)], ['signing', ['owner']]);
  // Nobody can be asked here.
  await assert.rejects(grid.run('contract', 'sign', id), hasCode('GRID_USAGE'));
  // From the file whoever signs sees what it would be, though nothing fits on no nodes at all.
  const { printed, noted } = await grid.run('contract', 'sign', file, '--yes');
  assert.match(noted, /ada is to say: approve provision of archive, as owner/);
  assert.match(noted, /provision\s+board: 2 of 3: dora \(signed \S+Z\), eli \(signed \S+Z\), finn/);
  assert.match(noted, /disk\s+1 replica of a volume/);
  assert.match(noted, /archive does not fit/);
  assert.match(printed, /archive is agreed/);
  await assert.rejects(say('finn', 'sign', id), hasCode('CONTRACT_SETTLED'));
  const shown = await grid.run('contract', 'show', id);
  assert.match(shown.printed, /board {2}agreed \S+Z: dora \(signed\), eli \(signed\), finn$/m);
});

test('a contract is rejected by so many that the rest is too few, and by its owner alone', async () => {
  const { id } = await propose('tower');
  assert.equal((await say('dora', 'reject', id)).isRejected, false);
  assert.equal((await say('eli', 'reject', id)).isRejected, true);
  const { printed } = await grid.run('contract', 'list');
  assert.match(printed, /^tower\s+proposed, rejected/m);
  await assert.rejects(say('finn', 'sign', id), hasCode('CONTRACT_REJECTED'));
  await say('eli', 'sign', id);
  const lines = (await show(id)).decisions.filter(({ action }) => action === 'provision');
  const said = lines.flatMap(({ signers }) => signers.map((one) => [one.name, one.said]));
  assert.deepEqual(said, [
    ['ada', null],
    ['dora', 'reject'],
    ['eli', 'approve'],
    ['finn', null],
  ]);
});

test('a halt of one holds until that one takes it back, and enough of the board remove', async () => {
  const { id } = await propose('cellar');
  assert.equal((await say('finn', 'halt', id)).isHalted, true);
  assert.deepEqual(
    (await show(id)).haltedBy.map(({ name }) => name),
    ['finn'],
  );
  await assert.rejects(say('dora', 'resume', id), hasCode('CONTRACT_NOT_HALTED'));
  assert.equal((await say('finn', 'resume', id)).isHalted, false);
  const { missing } = await say('dora', 'remove', id);
  assert.deepEqual(
    missing.map(({ role }) => role),
    ['board'],
  );
  assert.equal((await say('eli', 'remove', id)).phase, 'closed');
  await assert.rejects(say('dora', 'sign', id), hasCode('CONTRACT_STALE'));
});

test('a name is that of the contract that is not closed, however many had it before', async () => {
  const { id: former } = await propose('shed');
  const shown = (): Promise<{ readonly id: string; readonly phase: string }> =>
    grid.json('contract', 'status', 'shed');
  for (const bot of ['dora', 'eli']) await say(bot, 'remove', former);
  const ended = await shown();
  assert.deepEqual([ended.id, ended.phase], [former, 'closed']);
  const { id } = await propose('shed');
  assert.equal((await shown()).id, id);
  await say('dora', 'sign', 'shed');
  assert.equal((await grid.json<{ readonly id: string }>('contract', 'status', former)).id, former);
  await propose('shed');
  await assert.rejects(shown(), hasCode('GRID_NAME_AMBIGUOUS'));
});

test('the log takes no approval that is forged, copied, late, or over another subject', async () => {
  const { id } = await propose('vault');
  const { said } = await say('dora', 'sign', id, '--days', '1');
  const [good] = said as unknown as readonly Approval[];
  assert.ok(good !== undefined);
  const [dora, eli] = [await grid.keyOf('dora'), await grid.keyOf('eli')];
  // Signed by somebody else for her; by a key of nobody; altered; over.
  await assert.rejects(append(eli, good), isRefused('APPROVAL_NOT_SIGNER'));
  await assert.rejects(append(SigningKey.generate(), good), isRefused('APPROVAL_NOT_SIGNER'));
  await assert.rejects(append(dora, { ...good, action: 'remove' }), isRefused('APPROVAL_HASH'));
  await assert.rejects(append(dora, { ...good, role: 'owner' }), isRefused('APPROVAL_ROLE'));
  await assert.rejects(append(dora, { ...good, expMs: 1 }), isRefused('APPROVAL_EXPIRED'));
  const other = await propose('vault-2');
  await assert.rejects(
    append(dora, { ...good, contract: other.id as ContractId }),
    isRefused('APPROVAL_HASH'),
  );
  // The order of fields says nothing: the same record again changes nothing.
  await append(dora, Object.fromEntries(Object.entries(good).toReversed()) as Approval);
  const { decisions } = await show(id);
  const counted = decisions.flatMap(({ action, signers }) =>
    action === 'provision' ? signers.filter((one) => one.said === 'approve') : [],
  );
  assert.deepEqual(
    counted.map(({ name }) => name),
    ['dora'],
  );
});

test('a bot that two lines name counts in one of them', async () => {
  const lines = [
    { role: 'board', signers: board, min: 1 },
    { role: 'watch', signers: board, min: 1 },
  ];
  const { id } = await propose('gate', { policy: { provision: lines } });
  await grid.run('contract', 'sign', id, '--yes');
  await assert.rejects(say('dora', 'sign', id), hasCode('CONTRACT_ROLE_UNCLEAR'));
  await say('dora', 'sign', id, '--role', 'board');
  const again = await say('dora', 'sign', id, '--role', 'watch');
  assert.deepEqual([again.phase, again.missing.map(({ role }) => role)], ['signing', ['board']]);
  assert.equal((await say('eli', 'sign', id, '--role', 'board')).phase, 'agreed');
});

test('whoever is not named signs nothing, and a contract of another grid is none here', async () => {
  const { id, file } = await propose('attic');
  await grid.bot('hugo');
  await assert.rejects(say('hugo', 'sign', id), hasCode('GRID_CONTRACT_UNKNOWN'));
  await assert.rejects(say('hugo', 'sign', file), (error) => {
    const isUnknown = isGridError(error, 'GRID_CONTRACT_UNKNOWN');
    return isUnknown && error.message === 'attic is not proposed yet, or does not name hugo';
  });
  await using stranger = await openGrid();
  const elsewhere = ['--address', stranger.url, '--log', stranger.trust.log];
  const who = ['--key-file', join(stranger.path, 'home', 'identity', 'owner-key')];
  const there = [...elsewhere, '--sequencer', stranger.trust.sequencerKey, ...who];
  await assert.rejects(
    grid.runWith(there, 'contract', 'propose', file),
    hasCode('CONTRACT_OTHER_GRID'),
  );
  // Nor does that log take it, though all of its people were there.
  const { header } = JSON.parse(await readFile(file, 'utf8')) as { readonly header: Contract };
  const line = { role: 'board', signers: [stranger.grid.owner], min: 1 };
  const policy = { provision: [line], upgrade: [line], change: [line], remove: [line] };
  const copy = { ...header, owner: stranger.grid.owner, policy };
  await assert.rejects(
    stranger.put('grid.contract.1', contractIdOf(copy), copy),
    isRefused('CONTRACT_OTHER_LOG'),
  );
});

test('who signs a contract that takes the place of another agrees to both, and only once', async () => {
  const { id } = await propose('barn');
  const { id: next } = await propose('barn-2', { replaces: id });
  const { id: rival } = await propose('barn-3', { replaces: id });
  const { said } = await say('dora', 'sign', next);
  assert.deepEqual(
    said.map(({ action }) => action),
    ['provision', 'upgrade'],
  );
  await say('eli', 'sign', next, '--action', 'upgrade');
  const last = await say('eli', 'sign', next);
  assert.deepEqual(
    last.said.map(({ action }) => action),
    ['provision'],
  );
  const { printed } = await grid.run('contract', 'sign', next, '--yes');
  assert.match(printed, /barn-2 is agreed/);
  await assert.rejects(
    say('finn', 'sign', rival, '--action', 'upgrade'),
    hasCode('CONTRACT_STALE'),
  );
});

test('whose bot controls a contract has its roles and secrets before it can be signed', async () => {
  const source = join(grid.place.path, 'own.json');
  const roles = [{ name: 'disk', zdb: { size: '1GiB', password: 'admin' } }];
  const secrets = { admin: { generate: 32 } };
  await writeFile(source, JSON.stringify({ name: 'own', roles, secrets }));
  const file = join(grid.place.path, 'own.built.json');
  await grid.jsonAs('dora', 'contract', 'build', source, '--output', file);
  type Proposed = { readonly contract: string; readonly controller: string | null };
  const { contract, controller } = await grid.jsonAs<Proposed>('dora', 'contract', 'propose', file);
  assert.equal(controller, 'dora');
  const home = join(grid.place.path, 'home');
  const papers = await KeptContracts.open(BotFolder.named(home, 'dora').contracts);
  const kept = papers.of(contract as ContractId);
  assert.equal(kept?.draft.header.name, 'own');
  assert.equal(kept.secrets.get('admin')?.value.length, 32);
  // Nobody runs it: nothing is said of what it waits for.
  type Status = { readonly isControlledHere: boolean; readonly phase: string };
  const status = await grid.jsonAs<Status>('dora', 'contract', 'status', contract);
  assert.deepEqual([status.isControlledHere, status.phase], [false, 'proposed']);
});

test('what several signed waits for a node, says so, and is placed by the bot that controls it', async (t) => {
  const source = join(grid.place.path, 'well.json');
  const line = { role: 'board', signers: ['eli', 'finn'], min: 2 };
  const roles = [{ name: 'disk', volume: { size: '1GiB' } }];
  await writeFile(source, JSON.stringify({ name: 'well', roles, policy: { provision: [line] } }));
  const file = join(grid.place.path, 'well.built.json');
  const running = await grid.startBot('dora');
  t.after(() => running[Symbol.asyncDispose]());
  await grid.jsonAs('dora', 'contract', 'build', source, '--output', file);
  await grid.jsonAs('dora', 'contract', 'propose', file);
  for (const name of ['dora', 'eli']) await say(name, 'sign', 'well');
  type Status = {
    readonly isControlledHere: boolean;
    readonly phase: string;
    readonly blocked: readonly { readonly code: string }[];
  };
  const status = (): Promise<Status> => grid.jsonAs<Status>('dora', 'contract', 'status', 'well');
  const { isControlledHere, phase } = await status();
  assert.deepEqual([isControlledHere, phase], [true, 'signing']);
  await say('finn', 'sign', 'well');
  const patience = { timeoutMs: 60_000, everyMs: 500 };
  const isBlocked = async (): Promise<boolean> => (await status()).blocked.length > 0;
  await waitFor(isBlocked, { what: 'word of what it waits for', ...patience });
  const { printed } = await grid.runWith(['--bot', 'dora'], 'contract', 'status', 'well');
  assert.match(printed, /^well is agreed[^]*Blocked\n\s+[A-Z_]+\s+\S/);

  const folder = BotFolder.named(join(grid.place.path, 'home'), 'dora');
  const { id: bot } = await folder.config();
  const { url, trust } = grid.place;
  // The bot counts with its key while it runs.
  const writeElsewhere = byRunningBot(folder.controlSocket);
  const client = await BcdbClient.connect({
    url,
    trust,
    key: await folder.device(),
    writeElsewhere,
  });
  const farmer = { bot: bot as BotId, client };
  await grid.node(await grid.farm('doras-farm', { farmer, country: 'BE' }), farmer, 'shelf');
  const isPlaced = async (): Promise<boolean> => (await status()).phase === 'provisioning';
  await waitFor(isPlaced, { what: 'the contract to be placed', ...patience });
  // Its end is no matter of its owner alone: he is told so, and need not wait.
  await assert.rejects(grid.jsonAs('dora', 'rm', 'well', '--yes'), (error) => {
    const isOthers = isGridError(error, 'GRID_DEPLOY_BLOCKED');
    return isOthers && error.message === 'others have to agree to its end';
  });
});

test('an audit tells who signed, and verifies without the database', async () => {
  const { id } = await propose('ledger');
  await say('dora', 'sign', id);
  await say('eli', 'sign', id);
  await grid.run('contract', 'sign', id, '--yes');
  const file = join(grid.place.path, 'ledger.audit.json');
  await grid.run('contract', 'audit', 'ledger', '--export', file);
  const { log, sequencerKey } = grid.place.trust;
  const { printed } = await grid.runWith([], 'audit', 'verify', file);
  assert.match(printed, /^ledger is agreed/);
  assert.match(
    printed,
    new RegExp(`Compare by hand[^]+--log ${log}\\n +--sequencer ${sequencerKey}`),
  );
  const trust = ['--log', log, '--sequencer', sequencerKey];
  const ran = await grid.runWith([...trust, '--json'], 'audit', 'verify', file);
  const { report, isTrustGiven } = JSON.parse(ran.printed) as {
    readonly isTrustGiven: boolean;
    readonly report: AuditReport;
  };
  assert.equal(isTrustGiven, true);
  assert.deepEqual(
    report.signatures.map(({ name, role, action }) => [name, role, action]),
    [
      ['dora', 'board', 'provision'],
      ['eli', 'board', 'provision'],
      ['ada', 'owner', 'provision'],
    ],
  );
  assert.equal(report.agreed[0]?.seq, report.signatures.at(-1)?.seq);
  const other = ['--log', log.replace(/^./, (one) => (one === 'A' ? 'B' : 'A')), ...trust.slice(2)];
  await assert.rejects(
    grid.runWith(other, 'audit', 'verify', file),
    hasCode('AUDIT_TRUST_DIFFERS'),
  );
});
