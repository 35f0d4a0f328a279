import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { reservePort, waitFor } from '@commongrid/base';
import { firstLineOf } from '@commongrid/base/testing';

import { root, run, tempFolder, TestGrid } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

interface Up {
  readonly services: Record<string, { readonly pid: number | null; readonly address: string }>;
  readonly node: { readonly id: string | null; readonly lack: string | null };
}

interface Status {
  readonly up: boolean;
  readonly supervisor: { readonly pid: number } | null;
  readonly services: Record<string, { readonly phase: string; readonly pid: number | null }>;
}

interface Workloads {
  readonly workloads: readonly { readonly key: string; readonly role: string }[];
}

interface Top {
  readonly services: readonly Used[];
  readonly nodes: readonly { readonly presence: string | null }[];
  readonly workloads: readonly Used[];
  readonly unknown: readonly string[];
}

interface Used {
  readonly name: string;
  readonly phase: string;
  readonly memoryBytes: number | null;
}

const deadline = { timeoutMs: 60_000, everyMs: 100 };
const password = 'open-sesame';
const deployment = {
  name: 'shop',
  secrets: { password },
  roles: [
    { name: 'store', zdb: { size: '16MiB', password: 'password' } },
    { name: 'disk', volume: { size: '16MiB' } },
    {
      ...{ name: 'web', after: ['disk'], cpu: 0.1, memory: '32MiB' },
      container: {
        image: 'base',
        entrypoint: ['sh', '-c', 'echo begun; exec sleep 1000'],
        rootBytes: '32MiB',
        volumes: [{ role: 'disk', path: '/data', isReadOnly: false }],
        secretEnv: [{ name: 'PASSWORD', secret: 'password' }],
        stop: { signal: 'SIGKILL', graceSeconds: 1 },
      },
    },
  ],
};

/** One for all tests, in their order: a start takes seconds. */
let grid: TestGrid;
let up: Up;
/** Begins the names of what the node has in the kernel. */
let prefix: string;
/** Name of the container on the machine, once it was seen. */
let webKey = '';

before(async () => {
  grid = await TestGrid.open({ hasNode: true });
  up = await grid.json<Up>('up', '--port-base', '0');
  const command = await readFile(`/proc/${up.services['node']?.pid}/cmdline`, 'utf8');
  prefix = /--prefix=([a-z0-9]+)/.exec(command)?.[1] ?? '';
});

after(() => grid.close());

test('up makes the machine a node, and a namespace is reached under its certificate', async () => {
  assert.equal(up.node.lack, null);
  const status = await grid.json<Status>('status');
  assert.deepEqual([status.up, status.services['node']?.phase], [true, 'running']);
  const file = join(grid.home, 'node', 'shop.json');
  await writeFile(file, JSON.stringify(deployment));
  await grid.json('deploy', file);
  const written = await inStore('SET greeting hello');
  // redis-cli has status 0 for a refusal, too.
  assert.match(written.stdout, /^greeting$/m, written.stdout + written.stderr);
  const answers = await inStore('GET greeting');
  assert.match(answers.stdout, /^hello$/m, answers.stderr);
  assert.match((await grid.run('node', 'leave')).stderr, /GRID_NODE_IN_USE/);
});

test('the doctor finds nothing wrong with a grid that is up', async () => {
  const ofGrid = ['services', 'ports', 'ledger', 'clock', 'certificates', 'key files'];
  const look = async (): Promise<boolean> => {
    const { findings } = await grid.json<{ findings: { name: string; level: string }[] }>('doctor');
    return ofGrid.every((wanted) => findings.find(({ name }) => name === wanted)?.level === 'ok');
  };
  await waitFor(look, { ...deadline, what: 'a doctor who finds nothing' });
});

test('top shows who is alive, and what runs', async () => {
  const isShown = async (): Promise<boolean> => {
    const top = await grid.json<Top>('top', '--once');
    const running = top.services.filter(({ phase }) => phase === 'running');
    const services = running.map(({ name, memoryBytes }) => [name, (memoryBytes ?? 0) > 2 ** 20]);
    const wanted = ['zdb', 'bcdb', 'hub', 'node'].map((name) => [name, true]);
    // Who was asked may have taken too long for once.
    if (top.unknown.length > 0 || !isDeepStrictEqual(services, wanted)) return false;
    const used = top.workloads.map(({ name, memoryBytes }) => `${name} ${memoryBytes !== null}`);
    return (
      top.nodes.length === 1 &&
      top.nodes.every(({ presence }) => presence === 'alive') &&
      isDeepStrictEqual(used.toSorted(), [
        ...['shop/disk/0 false', 'shop/store/0 false', 'shop/web/0 true'],
      ])
    );
  };
  await waitFor(isShown, { ...deadline, what: 'a node with its workloads' });
  const { stdout } = await grid.run('top', '--once');
  assert.match(stdout, /^nodes$/m);
  assert.match(stdout, /^ {2}shop\/web\/0 .*container, /m);
});

test('solutions run by their answers, and a redis that is killed has its data again', async () => {
  const keysNow = async (): Promise<readonly string[]> => {
    const { workloads } = await grid.json<Workloads>('node', 'workloads');
    return workloads.map(({ key }) => key).toSorted();
  };
  const others = await keysNow();
  const page = '<p>the shop is open</p>';
  const web = await solution('web-app', { page, publish: await reservePort() });
  const shown = await run('curl', ['--silent', '--fail', `http://${web.address}/`]);
  assert.equal(shown.stdout, page, shown.stderr);
  const redis = await solution('redis', { size: '64MiB', publish: await reservePort() });
  const file = redis.credentials['password'] ?? '';
  const secret = await readFile(file, 'utf8');
  assert.ok(!redis.said.includes(secret));
  const [host = '', at = ''] = redis.address.split(':');
  const ask = (words: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> =>
    run('redis-cli', ['-h', host, '-p', at, ...words], { env });
  const known = { REDISCLI_AUTH: secret };
  assert.match((await ask(['PING'], {})).stdout, /NOAUTH/);
  assert.match((await ask(['SET', 'greeting', 'hello'], known)).stdout, /^OK$/m);
  const [pid] = await redisServers();
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  const isBack = async (): Promise<boolean> => {
    const { stdout } = await ask(['GET', 'greeting'], known);
    return stdout === 'hello\n' && !(await redisServers()).includes(pid);
  };
  await waitFor(isBack, { ...deadline, what: 'the redis with its data' });
  for (const name of ['web', 'redis']) await grid.json('rm', name, '--yes');
  assert.ok(!existsSync(file));
  const isGone = async (): Promise<boolean> => isDeepStrictEqual(await keysNow(), others);
  await waitFor(isGone, { ...deadline, what: 'nothing of them' });
});

test('what runs is found by its name, and a wrong name says what to do', async () => {
  const areReady = async (): Promise<boolean> => {
    const { contracts } = await grid.json<{ contracts: { name: string; readyCount: number }[] }>(
      'ls',
    );
    return isDeepStrictEqual(
      contracts.map(({ name, readyCount }) => [name, readyCount]),
      [['shop', 3]],
    );
  };
  await waitFor(areReady, { ...deadline, what: 'all to be ready' });
  assert.match((await grid.run('ls', 'shop')).stdout, /^shop\/web\/0 +healthy +\S+ +- +\d+[sm]$/m);
  assert.match((await grid.run('describe', 'shop')).stdout, /^shop is running, 3 of 3 ready$/m);
  assert.equal((await grid.run('exec', 'shop', '--', 'sh', '-c', 'exit 7')).status, 7);
  const refusals: readonly (readonly [string, number, string])[] = [
    ['web', 3, 'NODE_WORKLOAD_UNKNOWN'],
    ['shop/disk', 2, 'GRID_NOT_CONTAINER'],
  ];
  for (const [name, status, code] of refusals) {
    const refused = await grid.run('exec', name, '--', 'true');
    assert.deepEqual(
      [refused.status, refused.stderr.includes(code)],
      [status, true],
      refused.stderr,
    );
    assert.match(refused.stderr, /^next: /m);
  }
  const shell = await run('sh', ['-c', `echo 'echo shell $((40 + 2))' | ${root}/grid shell shop`], {
    env: { GRID_HOME: grid.home },
  });
  assert.deepEqual([shell.status, shell.stdout], [0, 'shell 42\n'], shell.stderr);
});

test('files come into a container and out of it, whole or not at all', async () => {
  await using folder = await tempFolder();
  const at = (name: string): string => join(folder.path, name);
  await mkdir(at('site'));
  await writeFile(at('site/page'), 'hello');
  await writeFile(at(`site/${'long'.repeat(40)}`), '#!/bin/sh\n', { mode: 0o751 });
  await symlink('page', at('site/home'));
  await grid.json('cp', at('site'), 'shop/web:/data');
  const inside = await grid.run(
    'exec',
    'shop',
    '--',
    'sh',
    '-c',
    'cd /data && ls -a && cat site/home',
  );
  assert.deepEqual(inside.stdout.split('\n'), ['.', '..', 'site', 'hello']);
  await grid.json('cp', 'shop/web/0:/data/site', at('back'));
  const same = await run('diff', ['--recursive', '--no-dereference', at('site'), at('back')]);
  assert.equal(same.stdout + same.stderr, '');
  const { mode } = await stat(at(`back/${'long'.repeat(40)}`));
  assert.equal(mode & 0o7777, 0o751);
  // Neither what is there as a folder is replaced, nor does anything lead out of the copy.
  const again = await grid.run('cp', at('site'), 'shop:/data');
  assert.match(again.stderr, /GRID_FILE_EXISTS/);
  await grid.run('exec', 'shop', '--', 'ln', '-s', '/etc/passwd', '/data/site/out');
  const leads = await grid.run('cp', 'shop:/data/site', at('other'));
  assert.match(leads.stderr, /GRID_COPY_REFUSED/);
  const none = await grid.run('cp', 'shop:/data/nothing', at('other'));
  assert.match(none.stderr, /GRID_COPY_FAILED/);
  assert.deepEqual((await readdir(folder.path)).toSorted(), ['back', 'site']);
});

test('what is restarted begins anew, and a cordoned node keeps it', async () => {
  const former = await processesOfWeb();
  await hasBegun(1);
  const restarted = await grid.run('restart', 'shop/web');
  assert.equal(restarted.stdout, 'shop/web/0 is healthy again\n', restarted.stderr);
  const now = await processesOfWeb();
  assert.deepEqual([now.length, now.includes(former[0] ?? '')], [1, false]);
  await hasBegun(2);
  const elsewhere = await grid.run('drain', 'somewhere-else');
  assert.deepEqual([elsewhere.status, elsewhere.stderr.includes('NODE_REMOTE')], [6, true]);
  const service = async (verb: string): Promise<string> =>
    (await grid.json<{ readonly service: string }>(verb)).service;
  assert.equal(await service('cordon'), 'cordoned');
  assert.match((await grid.run('node', 'status')).stdout, /cordoned: nothing new comes/);
  assert.equal(await service('uncordon'), 'open');
  assert.deepEqual(await processesOfWeb(), now);
});

/** Until the container has printed its line so many times: once each run. */
async function hasBegun(times: number): Promise<void> {
  const look = async (): Promise<boolean> => {
    const { stdout } = await grid.run('logs', 'shop/web/0');
    return stdout.split('\n').filter((line) => line === 'begun').length === times;
  };
  await waitFor(look, { ...deadline, what: `${times} lines of its log` });
}

test('secrets are in no log, event or state of the node', async () => {
  // Disks of volumes are not the node's own words; the file is that of the deployment.
  const not = ['--exclude=pool.img', '--exclude=shop.json', '--exclude-dir=sys'];
  const words = ['--recursive', '--files-with-matches', '--text', ...not, '--fixed-strings'];
  const found = await run('grep', [...words, password, grid.home]);
  const places = found.stdout.split('\n').flatMap((path) => {
    return path === '' ? [] : [relative(join(grid.home, 'node/machine'), path)];
  });
  const [web] = (await grid.json<Workloads>('node', 'workloads')).workloads.filter(
    ({ role }) => role === 'web',
  );
  assert.deepEqual(places.toSorted(), [
    `bundles/${web?.key}/config.json`,
    `bundles/${web?.key}/spec`,
    // A Zero-DB knows the password of its namespace.
    'zdb/ssd/data/segment-000000000001.log',
  ]);
  const told = await grid.run('events', '--json');
  assert.equal(told.status, 0);
  assert.ok(!told.stdout.includes(password));
});

test('what runs goes on when everything of the grid is killed, and is found again', async () => {
  const running = await processesOfWeb();
  assert.equal(running.length, 1);
  await killAll();
  assert.deepEqual(await processesOfWeb(), running);
  // On the same ports as before, though any are asked for.
  up = await grid.json<Up>('up', '--port-base', '0');
  assert.equal(up.node.lack, null);
  assert.deepEqual(await processesOfWeb(), running);
  assert.match((await inStore('GET greeting')).stdout, /^hello$/m);
});

test('down leaves nothing of the node on the machine but data, whatever was killed', async () => {
  assert.notDeepEqual(await remains(), []);
  assert.notDeepEqual(await programsOfGrid(), []);
  await killAll();
  await grid.json('down');
  assert.deepEqual([...(await remains()), ...(await programsOfGrid())], []);
  up = await grid.json<Up>('up', '--port-base', '0');
  assert.equal(up.node.lack, null);
  const isBack = async (): Promise<boolean> => (await processesOfWeb()).length === 1;
  await waitFor(isBack, { ...deadline, what: 'the container' });
  const answers = async (): Promise<boolean> =>
    (await inStore('GET greeting')).stdout.includes('hello');
  await waitFor(answers, { ...deadline, what: 'the namespace' });
});

test('a unit of systemd brings all back after the machine was cut off, and ends in order', async () => {
  await using folder = await tempFolder();
  const { text } = await grid.json<{ text: string }>(
    ...['install', '--root', folder.path, '--port-base', '0'],
  );
  const [, home = ''] = /^Environment="GRID_HOME=(.*)"$/m.exec(text) ?? [];
  assert.equal(home, grid.home);
  const [, start = ''] = /^ExecStart=(.*)$/m.exec(text) ?? [];
  await cutOff();
  // As systemd starts it: with these variables alone.
  const env = { GRID_HOME: home, PATH: process.env['PATH'] ?? '' };
  const unit = spawn('sh', ['-c', `exec ${start} --json`], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = once(unit, 'exit');
  up = JSON.parse(await firstLineOf(unit)) as Up;
  assert.equal(up.node.lack, null);
  const isBack = async (): Promise<boolean> => {
    const { stdout } = await inStore('GET greeting');
    return stdout.includes('hello') && (await processesOfWeb()).length === 1;
  };
  await waitFor(isBack, { ...deadline, what: 'namespace and container' });
  unit.kill('SIGTERM');
  const [status] = await exit;
  assert.equal(status, 0);
  assert.deepEqual([...(await remains()), ...(await programsOfGrid())], []);
});

test('a machine that lacks something is told what, and the grid is up all the same', async () => {
  const without = await grid.json<Up>('up', '--no-node', '--port-base', '0');
  assert.equal(without.node.lack, 'not wanted; ./grid up --node');
  assert.deepEqual(await remains(), []);
  await using folder = await tempFolder();
  const path = await pathWithout(folder.path, ['runc', 'conmon', 'apt-get']);
  const env = { GRID_HOME: grid.home, PATH: path };
  const { status, stdout } = await run(join(root, 'grid'), ['up', '--node', '--json'], { env });
  assert.equal(status, 0);
  const { node, services } = JSON.parse(stdout) as Up;
  assert.match(node.lack ?? '', /^missing: runc, conmon; next: apt-get install runc conmon, /);
  assert.equal(services['node'], undefined);
  const { up: isUp, services: states } = await grid.json<Status>('status');
  assert.deepEqual([isUp, states['node']?.phase], [true, 'stopped']);
  // Told to, it has them installed: what stands in for apt here brings back what was taken out.
  await writeFile(join(path, 'apt-get'), aptGet, { mode: 0o755 });
  const words = ['up', '--node', '--yes', '--json'];
  const installed = await run(join(root, 'grid'), words, { env });
  assert.match(
    installed.stderr,
    /^apt: install --yes --no-install-recommends runc conmon -o DPkg::Lock::Timeout=300$/m,
  );
  assert.equal((JSON.parse(installed.stdout) as Up).node.lack, null);
});

const aptGet = `#!/bin/sh
echo "apt: $*" >&2
[ "$1" = install ] || exit 0
for name in runc conmon; do ln -s "$(PATH=/usr/sbin:/usr/bin command -v $name)" "\${0%/*}/$name"; done
`;

interface Solved {
  readonly ports: readonly { readonly address: string | null }[];
  readonly credentials: Readonly<Record<string, string>>;
}

/** A solution that runs by these answers, and defaults. @returns where its port is, and all that was printed */
async function solution(
  name: string,
  answers: object,
): Promise<Solved & { readonly address: string; readonly said: string }> {
  const file = join(grid.home, 'node', `${name}.answers.json`);
  await writeFile(file, JSON.stringify(answers));
  const words = ['deploy', name, '--answers', file, '--yes', '--json'];
  const { status, stdout, stderr } = await grid.run(...words);
  assert.equal(status, 0, stdout + stderr);
  const solved = JSON.parse(stdout) as Solved;
  return { ...solved, address: solved.ports[0]?.address ?? '', said: stdout + stderr };
}

/** A command to the namespace of the deployment. */
async function inStore(command: string): Promise<Ended> {
  const { workloads } = await grid.json<Workloads>('node', 'workloads');
  const key = workloads.find(({ role }) => role === 'store')?.key;
  const [, port = ''] = up.services['node']?.address.split(':') ?? [];
  const cert = join(grid.home, 'node', 'machine', 'zdb', 'tls', 'cert.pem');
  const lines = `printf 'SELECT ${key} ${password}\\n${command}\\n'`;
  return run('sh', ['-c', `${lines} | redis-cli -p ${port} --tls --cacert ${cert}`]);
}

/** The supervisor and what it runs; what workloads have runs on. */
async function killAll(): Promise<void> {
  const { supervisor, services } = await grid.json<Status>('status');
  const pids = [supervisor?.pid, ...Object.values(services).map(({ pid }) => pid)];
  const living = pids.filter((pid) => typeof pid === 'number');
  for (const pid of living) process.kill(pid, 'SIGKILL');
  const areGone = (): boolean => living.every((pid) => !existsSync(`/proc/${pid}/exe`));
  await waitFor(areGone, { ...deadline, what: 'their end' });
}

/** Ends every process of the grid and its node at once, workloads too: as a reboot does. */
async function cutOff(): Promise<void> {
  const containers = await processesOfWeb();
  assert.equal(containers.length, 1);
  await killAll();
  const isOfNode = async (pid: string): Promise<boolean> => {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return containers.includes(pid) || words.includes(join(grid.home, 'node'));
  };
  const areGone = async (): Promise<boolean> => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const ofNode = await Promise.all(pids.map(isOfNode));
    const living = pids.filter((_pid, at) => ofNode[at] === true);
    await run('kill', ['-KILL', ...living]);
    return living.length === 0;
  };
  await waitFor(areGone, { ...deadline, what: 'the end of all workloads' });
}

/** Numbers of the processes of the container. */
async function processesOfWeb(): Promise<readonly string[]> {
  const list = await grid.run('node', 'workloads', '--json');
  if (list.status === 0) {
    const { workloads } = JSON.parse(list.stdout) as Workloads;
    webKey = workloads.find(({ role }) => role === 'web')?.key ?? webKey;
  }
  return processesIn(webKey);
}

/** Of the container of the redis: a probe may run there as well. */
async function redisServers(): Promise<readonly number[]> {
  const { workloads } = await grid.json<Workloads>('node', 'workloads');
  const pids = await processesIn(workloads.find(({ role }) => role === 'redis')?.key ?? '');
  const named = pids.map(async (pid) => {
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    return name === 'redis-server\n' ? [Number(pid)] : [];
  });
  return (await Promise.all(named)).flat();
}

async function processesIn(key: string): Promise<readonly string[]> {
  const file = join('/sys/fs/cgroup/pids', `${prefix}.containers`, key, 'cgroup.procs');
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').filter((pid) => pid !== '');
}

/** Everything that a node may leave on its machine. */
async function remains(): Promise<readonly string[]> {
  const looks: readonly (readonly [string, string])[] = [
    ['cat /proc/self/mountinfo', grid.home],
    ['ls /run/netns', prefix],
    ['ls -d /run/commongrid-*', `commongrid-${prefix}`],
    ['ls -d /sys/fs/cgroup/*.containers /sys/fs/cgroup/*/*.containers', `/${prefix}.containers`],
    ['nft list tables', ` ${prefix}_`],
    ['ip -o link', ` ${prefix}`],
    ['losetup --list --noheadings', grid.home],
    ['cat /proc/*/cmdline | tr "\\0" " "', `${grid.home}/node`],
  ];
  const found = looks.map(async ([command, name]) => {
    const { stdout } = await run('sh', ['-c', `${command} 2>/dev/null`]);
    return stdout.split('\n').filter((line) => line.includes(name));
  });
  return (await Promise.all(found)).flat();
}

/** Numbers of all that was started with this grid, workloads left out. */
async function programsOfGrid(): Promise<readonly string[]> {
  const command = 'grep --null-data --files-with-matches --line-regexp';
  const words = ['-c', `${command} "GRID_HOME=$1" /proc/[0-9]*/environ 2>/dev/null`, 'sh'];
  const { stdout } = await run('sh', [...words, grid.home]);
  return stdout.split('\n').filter((line) => line !== '');
}

/** A PATH with all programs of the machine but some. */
async function pathWithout(folder: string, missing: readonly string[]): Promise<string> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const from of (process.env['PATH'] ?? '').split(':')) {
    for (const name of await readdir(from).catch(() => [])) {
      if (missing.includes(name) || existsSync(join(bin, name))) continue;
      await symlink(join(from, name), join(bin, name)).catch(() => {});
    }
  }
  return bin;
}
