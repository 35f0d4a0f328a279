import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { text } from 'node:stream/consumers';

import { waitFor } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';

import { root, run, tempFolder, TestGrid } from './grid-process.ts';
import { listeningAddresses } from './listening-sockets.ts';

interface Up {
  readonly schema: string;
  readonly home: string;
  readonly services: Record<string, { address: string; pid: number; dataDir: string }>;
}

interface Status {
  readonly up: boolean;
  readonly supervisor: { pid: number } | null;
  readonly services: Record<string, { phase: string; pid: number | null; restartCount: number }>;
}

interface Failure {
  readonly schema: string;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly retryable: boolean;
}

const deadline = { timeoutMs: 60_000, everyMs: 50 };

function zdbOf(up: Up): { address: string; pid: number; dataDir: string } {
  const zdb = up.services['zdb'];
  assert.ok(zdb !== undefined, 'the grid has a Zero-DB');
  return zdb;
}

async function connectTo(grid: TestGrid, up: Up): Promise<RespClient> {
  const password = await readFile(join(grid.home, 'identity', 'zdb-admin-password'), 'utf8');
  const port = Number(zdbOf(up).address.split(':').at(-1));
  return RespClient.connect({ port, password: password.trim() });
}

/** An orphan that nobody has waited for yet, a zombie, has ended as well. */
function lives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('up starts a Zero-DB that answers, and its data outlives down', async () => {
  await using grid = await TestGrid.open();
  const up = await grid.json<Up>('up', '--port-base', '0');
  assert.equal(up.schema, 'grid.up.1');
  assert.equal(up.home, grid.home);
  assert.equal(zdbOf(up).dataDir, join(grid.home, 'zdb'));
  const client = await connectTo(grid, up);
  await client.command(['SET', 'hello', 'world']);
  await client.close();
  assert.equal((await grid.run('down')).status, 0);
  assert.equal(lives(zdbOf(up).pid), false);
  const again = await grid.json<Up>('up', '--port-base', '0');
  await using second = await connectTo(grid, again);
  assert.deepEqual(await second.command(['GET', 'hello']), Buffer.from('world'));
});

test('up keeps folders and secrets to their owner, asks for the password, and listens on loopback alone', async () => {
  await using grid = await TestGrid.open();
  const up = await grid.json<Up>('up', '--port-base', '0');
  const modeOf = async (path: string) => (await stat(join(grid.home, path))).mode & 0o777;
  for (const folder of ['', 'identity', 'run', 'zdb']) assert.equal(await modeOf(folder), 0o700);
  assert.equal(await modeOf('identity/zdb-admin-password'), 0o600);
  assert.equal(await modeOf('run/control.sock'), 0o600);
  const port = Number(zdbOf(up).address.split(':').at(-1));
  await using stranger = await RespClient.connect({ port });
  await assert.rejects(stranger.command(['SET', 'a', 'b']), { code: 'RESP_REPLY_ERROR' });
  const pids = new Set(Object.values(up.services).map(({ pid }) => pid));
  const listens = await Promise.all([...pids].map((pid) => listeningAddresses(pid)));
  const asWritten = listens
    .flat()
    .map((address) => Number.parseInt(address.split(':')[1] ?? '', 16));
  assert.ok(asWritten.includes(port), `${port} is among ${asWritten.join(', ')}`);
  for (const address of listens.flat()) assert.match(address, /^0100007F:/);
});

test('up twice, and many at once, is one grid', async () => {
  await using grid = await TestGrid.open();
  const ups = await Promise.all([1, 2, 3].map(() => grid.json<Up>('up', '--port-base', '0')));
  const again = await grid.json<Up>('up');
  const pids = new Set([...ups, again].map((up) => zdbOf(up).pid));
  assert.equal(pids.size, 1);
});

test('up refuses other ports while the grid runs, and keeps to its own afterwards', async () => {
  await using grid = await TestGrid.open();
  await grid.json<Up>('up', '--port-base', '0');
  const { status, stdout } = await grid.run('up', '--port-base', '40000', '--json');
  assert.equal(status, 5);
  assert.equal((JSON.parse(stdout) as Failure).code, 'GRID_PORTS_DIFFER');
  const usual = JSON.parse(
    (await grid.run('up', '--port-base', 'usual', '--json')).stdout,
  ) as Failure;
  assert.deepEqual(
    [usual.code, usual.hint],
    ['GRID_PORTS_DIFFER', './grid down, then ./grid up --port-base usual'],
  );
  await grid.json('down');
  const again = await grid.json<Up>('up');
  assert.notEqual(zdbOf(again).address, '127.0.0.1:9900');
});

test('a service that was killed is back, and status counts it', async () => {
  await using grid = await TestGrid.open();
  const { pid } = zdbOf(await grid.json<Up>('up', '--port-base', '0'));
  process.kill(pid, 'SIGKILL');
  const isBack = async (): Promise<boolean> => {
    const zdb = (await grid.json<Status>('status')).services['zdb'];
    return zdb?.phase === 'running' && zdb.pid !== pid && zdb.restartCount >= 1;
  };
  await waitFor(isBack, { ...deadline, what: 'a new process' });
});

test('down stops one service, up starts it again', async () => {
  await using grid = await TestGrid.open();
  await grid.json<Up>('up', '--port-base', '0');
  await grid.json('down', 'zdb');
  const status = await grid.json<Status>('status');
  assert.equal(status.up, false);
  assert.notEqual(status.supervisor, null);
  assert.equal(status.services['zdb']?.phase, 'stopped');
  await grid.json<Up>('up');
  assert.equal((await grid.json<Status>('status')).up, true);
  const { status: exit, stdout } = await grid.run('down', 'nosuch', '--json');
  assert.equal(exit, 3);
  assert.equal((JSON.parse(stdout) as Failure).code, 'GRID_SERVICE_UNKNOWN');
});

test('SIGTERM to the supervisor stops its services', async () => {
  await using grid = await TestGrid.open();
  const { pid } = zdbOf(await grid.json<Up>('up', '--port-base', '0'));
  const { supervisor } = await grid.json<Status>('status');
  assert.ok(supervisor !== null);
  process.kill(supervisor.pid, 'SIGTERM');
  await waitFor(() => !lives(supervisor.pid), { ...deadline, what: 'its end' });
  assert.equal(lives(pid), false);
});

test('up and down mend what a killed supervisor left', async () => {
  await using grid = await TestGrid.open();
  const first = zdbOf(await grid.json<Up>('up', '--port-base', '0')).pid;
  const killSupervisor = async (): Promise<void> => {
    const { supervisor } = await grid.json<Status>('status');
    assert.ok(supervisor !== null);
    process.kill(supervisor.pid, 'SIGKILL');
    await waitFor(() => !lives(supervisor.pid), { ...deadline, what: 'its end' });
  };
  await killSupervisor();
  const orphaned = await grid.json<Status>('status');
  assert.equal(orphaned.supervisor, null);
  assert.equal(orphaned.services['zdb']?.pid, first);
  const second = zdbOf(await grid.json<Up>('up', '--port-base', '0')).pid;
  assert.notEqual(second, first);
  assert.equal(lives(first), false);
  await killSupervisor();
  await grid.json('down');
  assert.equal(lives(second), false);
});

test('up fails with a code and a next step when a port is taken, and starts nothing', async () => {
  await using grid = await TestGrid.open();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const { status, stdout, stderr } = await grid.run('up', `--port-base=${address.port}`, '--json');
  server.close();
  assert.equal(status, 5);
  const failure = JSON.parse(stdout) as Failure;
  assert.deepEqual(
    [failure.schema, failure.code, failure.retryable],
    ['grid.error.1', 'GRID_PORT_UNAVAILABLE', false],
  );
  assert.match(stderr, /GRID_PORT_UNAVAILABLE: .*\nnext: /);
  assert.equal((await grid.json<Status>('status')).supervisor, null);
  // The next step of the message works.
  assert.equal(failure.hint, './grid up --port-base 0');
  await grid.json<Up>('up', '--port-base', '0');
});

/** Plays systemd: prints what comes to its socket, and closes what comes along. */
const manager = [
  'import socket, sys',
  's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
  's.bind(sys.argv[1])',
  'print("listens", flush=True)',
  'while True: print(s.recv(65536).decode(), flush=True)',
].join('\n');

test('up in the foreground tells a service manager when it is ready, and stays until SIGTERM', async () => {
  await using grid = await TestGrid.open();
  await using folder = await tempFolder();
  const socket = join(folder.path, 'notify');
  const listener = spawn('/usr/bin/python3', ['-c', manager, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  using _listener = { [Symbol.dispose]: () => listener.kill('SIGKILL') };
  let told = '';
  listener.stdout.on('data', (part: Buffer) => (told += part.toString()));
  const hears = (line: RegExp): Promise<unknown> =>
    waitFor(() => line.test(told), { ...deadline, what: `${line} in ${told}` });
  await hears(/^listens$/m);
  const child = spawn(
    join(root, 'grid'),
    ['up', '--foreground', '--no-node', '--no-bots', '--port-base', '0', '--json'],
    {
      env: { ...process.env, GRID_HOME: grid.home, NOTIFY_SOCKET: socket },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const [part] = (await once(child.stdout, 'data')) as [Buffer];
  const { pid } = zdbOf(JSON.parse(part.toString()) as Up);
  assert.ok(lives(pid));
  await hears(/^READY=1$/m);
  await hears(/^STATUS=the grid is up: \d+ services; no node: not wanted/m);
  assert.doesNotMatch(await readFile(`/proc/${pid}/environ`, 'utf8'), /NOTIFY_SOCKET/);
  child.kill('SIGTERM');
  const [[status]] = await Promise.all([once(child, 'exit'), text(child.stdout)]);
  assert.equal(status, 0);
  assert.equal(lives(pid), false);
  await hears(/^STATUS=the grid is down$/m);
});

test('down --wipe asks for a yes, then removes the grid and nothing else', async () => {
  await using grid = await TestGrid.open();
  await grid.json<Up>('up', '--port-base', '0');
  await writeFile(join(grid.home, 'notes.txt'), 'mine');
  const { status } = await grid.run('down', '--wipe');
  assert.equal(status, 2);
  assert.equal((await grid.json<Status>('status')).up, true);
  await grid.json('down', '--wipe', '--yes');
  assert.equal(await readFile(join(grid.home, 'notes.txt'), 'utf8'), 'mine');
  assert.equal(existsSync(join(grid.home, 'identity')), false);
  assert.equal(existsSync(join(grid.home, 'zdb')), false);
});

test('up refuses a folder with files of something else', async () => {
  await using grid = await TestGrid.open();
  await mkdir(grid.home);
  await writeFile(join(grid.home, 'thesis.tex'), '');
  const { status, stderr } = await grid.run('up');
  assert.equal(status, 5);
  assert.match(stderr, /GRID_HOME_FOREIGN: .*thesis\.tex/);
});

test('commands on a grid that was never up say so', async () => {
  await using grid = await TestGrid.open();
  assert.equal((await grid.json<Status>('status')).up, false);
  assert.equal((await grid.run('down')).status, 0);
  const { status, stderr } = await grid.run('zdb', 'info');
  assert.equal(status, 6);
  assert.match(stderr, /GRID_NOT_UP/);
  assert.equal(existsSync(grid.home), false);
});

test('grid zdb makes, sets and lists namespaces', async () => {
  await using grid = await TestGrid.open();
  await grid.json<Up>('up', '--port-base', '0');
  await grid.json('zdb', 'ns', 'new', 'photos', '--maxsize', '100MiB');
  await grid.json('zdb', 'ns', 'set', 'photos', 'worm', '1');
  const listed = await grid.json<{ namespaces: Record<string, string>[] }>('zdb', 'ns', 'list');
  const photos = listed.namespaces.find(({ name }) => name === 'photos');
  assert.equal(photos?.['data_limits_bytes'], String(100 * 1024 * 1024));
  assert.equal(photos?.['worm'], 'yes');
  const { info } = await grid.json<{ info: Record<string, string> }>('zdb', 'info');
  assert.ok(info['server_name'] !== undefined);
  const twice = await grid.run('zdb', 'ns', 'new', 'photos');
  assert.equal(twice.status, 5);
  assert.match(twice.stderr, /GRID_NAMESPACE_EXISTS/);
  const tooLarge = await grid.run('zdb', 'ns', 'new', 'huge', '--maxsize', '1PiB');
  assert.notEqual(tooLarge.status, 0);
  const left = await grid.json<{ namespaces: Record<string, string>[] }>('zdb', 'ns', 'list');
  assert.ok(!left.namespaces.some(({ name }) => name === 'huge'));
});

test('grid zdb compacts, scrubs and erases', async () => {
  await using grid = await TestGrid.open();
  const up = await grid.json<Up>('up', '--port-base', '0');
  await using client = await connectTo(grid, up);
  await client.command(['SET', 'note', 'one']);
  await client.command(['SET', 'note', 'two']);
  await grid.json('zdb', 'compact');
  const scrubbed = await grid.json<{ status: Record<string, number>; bad: unknown[] }>(
    'zdb',
    'scrub',
  );
  assert.equal(scrubbed.status['running'], 0);
  assert.deepEqual(scrubbed.bad, []);
  const { erased } = await grid.json<{ erased: number }>('zdb', 'erase', 'default', 'note');
  assert.ok(erased >= 1);
  assert.equal(await client.command(['GET', 'note']), null);
  await grid.json('zdb', 'ns', 'set', 'default', 'epoch', '7');
  const unbound = await grid.run('zdb', 'erase', 'default', 'note');
  assert.match(unbound.stderr, /read-only/);
  await grid.json('zdb', 'erase', 'default', 'note', '--epoch', '7');
});

test('redis-cli talks to the grid as up tells', async () => {
  await using grid = await TestGrid.open();
  const { stdout } = await grid.run('up', '--port-base', '0');
  const [, exportLine = '', setLine = ''] =
    /(export REDISCLI_AUTH.*)\n\s+(redis-cli.*)/.exec(stdout) ?? [];
  const script = `${exportLine}\n${setLine}\n${setLine.replace('SET hello world', 'GET hello')}`;
  const ended = await run('sh', ['-ec', script]);
  assert.equal(ended.stderr, '');
  assert.equal(ended.stdout, 'hello\nworld\n');
});
