import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, cp, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

import { runProgram } from '@commongrid/base';
import { hasCode, tempFolder } from '@commongrid/base/testing';

import type { CommandContext } from '../src/command-context.ts';
import type { Diagnosis } from '../src/doctor/diagnosis.ts';
import { examineLedger } from '../src/doctor/ledger.ts';
import { examineSecrets, secretFiles } from '../src/doctor/secret-files.ts';
import { examinePorts } from '../src/doctor/services.ts';
import { readEnvironment } from '../src/environment.ts';
import { GridHome } from '../src/home.ts';
import type { GridStatus } from '../src/one-machine-grid.ts';
import { createIdentity } from '../src/owner-identity.ts';
import { keepLayout } from '../src/storage-layout.ts';
import type { GridState } from '../src/supervisor/grid-state.ts';
import { openGrid } from './fixtures/owned-place.ts';
import { runCommand } from './fixtures/run-command.ts';

/** JSON writes it otherwise. */
const spoken = 'say "friend"\nand enter';

/** A grid that was never up, with all of its secrets. */
async function openHome() {
  const folder = await tempFolder('doctor');
  const home = new GridHome(join(folder.path, 'home'));
  await home.create();
  await createIdentity(home);
  await home.createSecret(home.zdbPasswordFile, 'hex');
  const bot = join(home.bots, 'ada');
  await mkdir(join(bot, 'contracts'), { recursive: true });
  await writeFile(join(bot, 'device-key'), 'the-key-of-a-device\n', { mode: 0o600 });
  const secrets = JSON.stringify({ values: { password: 'open sesame', token: spoken } });
  await writeFile(join(bot, 'contracts', 'one.secrets'), secrets, { mode: 0o600 });
  await mkdir(join(home.deployed, 'redis'), { recursive: true });
  await writeFile(join(home.deployed, 'redis', 'password'), 'it-opens-redis\n', { mode: 0o600 });
  const store = join(bot, 'stores', 'one');
  for (const name of ['passwords', 'data']) await mkdir(join(store, name), { recursive: true });
  await writeFile(join(store, 'passwords', 'db'), 'the-password-of-a-store\n', { mode: 0o600 });
  await writeFile(join(store, 'data', 'key'), 'the-key-of-a-store\n', { mode: 0o600 });
  await writeFile(join(store, 'data', 'metadata.sqlite'), 'tables of a head\n', { mode: 0o644 });
  return { home, path: folder.path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

async function findingsOf(home: GridHome, ...words: string[]): Promise<readonly Diagnosis[]> {
  const { printed } = await runCommand(home.path, ['doctor', '--json', ...words]);
  return (JSON.parse(printed) as { findings: readonly Diagnosis[] }).findings;
}

/** What is known of a grid of these services. */
function statusOf(home: GridHome, services: object, isSupervised: boolean): GridStatus {
  const state = { schema: 'grid.state.1', home: home.path, portBase: 0, services };
  return { state: state as unknown as GridState, isSupervised };
}

test('keys that others may read are found, and closed by --fix', async () => {
  await using place = await openHome();
  const { home } = place;
  assert.equal((await examineSecrets(home)).level, 'ok');
  const files = [
    home.ownerKeyFile,
    join(home.bots, 'ada', 'device-key'),
    join(home.deployed, 'redis', 'password'),
  ];
  for (const file of files) await chmod(file, 0o640);
  // Nobody else comes to them yet.
  assert.equal((await examineSecrets(home)).level, 'ok');
  const folders = [home.path, home.identity, home.bots, join(home.bots, 'ada')];
  for (const folder of folders) await chmod(folder, 0o755);
  const { level, says } = await examineSecrets(home);
  assert.equal(level, 'fail');
  assert.match(says, /^3 of \d+ may be read by others, such as .*owner-key$/);
  const findings = await findingsOf(home, '--fix');
  assert.equal(findings.find(({ name }) => name === 'key files')?.level, 'ok');
  for (const file of files) assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test('a bundle has logs and findings, and no secret of the grid', async () => {
  await using place = await openHome();
  const { home, path } = place;
  const files = await secretFiles(home);
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  const secrets = [...texts.map((text) => text.trim()), 'open sesame'];
  assert.ok(secrets.includes('the-password-of-a-store') && secrets.includes('the-key-of-a-store'));
  assert.ok(!secrets.includes('tables of a head'));
  const large = join(home.bots, 'ada', 'large-key');
  await writeFile(large, 'not a secret\n'.repeat(10_000), { mode: 0o600 });
  const lines = [
    ...secrets.map((secret, at) => `{"at":${at},"said":"${secret}"}`),
    JSON.stringify({ said: spoken }),
  ];
  await writeFile(home.logOf('zdb'), `${lines.join('\n')}\nnot a secret\nthe last line\n`);
  const bundle = join(path, 'bundle.tar.gz');
  const victim = join(path, 'victim');
  await writeFile(victim, 'of somebody else');
  await symlink(victim, `${bundle}.part`);
  await findingsOf(home, '--bundle', bundle);
  assert.equal((await stat(bundle)).mode & 0o777, 0o600);
  assert.equal(await readFile(victim, 'utf8'), 'of somebody else');
  const names = await runProgram('tar', ['-tzf', bundle]);
  assert.match(names, /^grid-doctor\/doctor\.json$/m);
  const content = await runProgram('tar', ['-xzOf', bundle]);
  for (const secret of secrets) assert.ok(!content.includes(secret), 'a secret is in the bundle');
  assert.match(content, /^\{"at":0,"said":"\[secret\]"\}$/m);
  assert.ok(!content.includes('friend'), 'a secret is in the bundle as JSON writes it');
  assert.match(content, /^not a secret\nthe last line$/m);
  await assert.rejects(findingsOf(home, '--bundle', bundle), hasCode('GRID_FILE_EXISTS'));
});

test('a supervisor that does not answer is found, and holds up neither the bundle nor top', async () => {
  await using place = await openHome();
  const { home, path } = place;
  const state = { schema: 'grid.state.1', home: home.path, services: {}, portBase: 17 };
  await writeFile(join(home.run, 'state.json'), JSON.stringify(state));
  const server = createServer((socket) => socket.destroy());
  await using silent = server.listen(join(home.run, 'control.sock'));
  await once(silent, 'listening');
  const bundle = join(path, 'bundle.tar.gz');
  const findings = await findingsOf(home, '--bundle', bundle);
  const services = findings.find(({ name }) => name === 'services');
  assert.deepEqual([services?.level, services?.code], ['fail', 'GRID_SUPERVISOR_UNREACHABLE']);
  const saved = await runProgram('tar', ['-xzOf', bundle, 'grid-doctor/state.json']);
  assert.deepEqual(JSON.parse(saved), state);
  const { printed } = await runCommand(home.path, ['top', '--once']);
  assert.match(printed, /^services: the supervisor does not answer$/m);
});

test('a port that another program has is found while the grid is down', async () => {
  await using place = await openHome();
  const { home } = place;
  await keepLayout(home, '4+2');
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const address = other.address();
  assert.ok(typeof address === 'object' && address !== null);
  // Zero-DBs of storage keep their ports.
  const entry = { node: 'zdb-1', address: `127.0.0.1:${address.port}` };
  await writeFile(home.backendsFile, JSON.stringify([entry]));
  const status = statusOf(home, {}, false);
  const taken = await examinePorts(home, status);
  assert.equal(taken.level, 'fail');
  assert.match(taken.says, new RegExp(`^1 of \\d+ are not free: port ${address.port} `));
  const running = { zdb: { phase: 'running', addresses: { zdb: entry.address } } };
  assert.equal((await examinePorts(home, statusOf(home, running, true))).level, 'ok');
  other.close();
  await once(other, 'close');
  assert.equal((await examinePorts(home, statusOf(home, running, true))).level, 'fail');
});

test('a ledger is sound by its head, and not under the genesis of another', async () => {
  await using place = await openGrid();
  await using other = await openGrid();
  const home = new GridHome(join(place.path, 'home'));
  const context: CommandContext = {
    environment: readEnvironment({ GRID_HOME: home.path }, process.getuid?.() ?? -1),
    terminal: {
      ...{ print: () => {}, note: () => {}, isWatched: false, showsProgress: false },
      style: { strong: String, good: String, bad: String, faint: String },
    },
    ...{ root: place.path, exitStatus: 0, afterwards: [] },
  };
  const addresses = { 'bcdb-http': new URL(place.url).host };
  const status = statusOf(home, { bcdb: { phase: 'running', addresses } }, true);
  const sound = await examineLedger(context, home, status);
  assert.deepEqual(
    sound.map(({ name, level }) => [name, level]),
    [
      ['ledger', 'ok'],
      ['clock', 'ok'],
    ],
  );
  await cp(new GridHome(join(other.path, 'home')).bcdbGenesisFile, home.bcdbGenesisFile);
  const [foreign] = await examineLedger(context, home, status);
  assert.equal(foreign?.level, 'fail');
  assert.ok(foreign.code?.startsWith('BCDB_'));
});
