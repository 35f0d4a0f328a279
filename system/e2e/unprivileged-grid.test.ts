import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { root, run, tempFolder } from './grid-process.ts';
import type { Ended } from './grid-process.ts';

interface Up {
  readonly home: string;
  readonly services: Record<string, { readonly pid: number | null; readonly address: string }>;
  readonly storage: { readonly endpoint: string | null };
  readonly node: { readonly id: string | null; readonly lack: string | null };
  readonly bots: { readonly lack: string | null };
}

/** Somebody who owns nothing on the machine: `nobody`. */
const uid = 65_534;

/** Binds the checkout where that user may read it, for this command and what it starts, and becomes that user. */
const asUser = `mount --bind "$1" "$2" && cd / && shift 2 &&
  exec setpriv --reuid=${uid} --regid=${uid} --clear-groups --no-new-privs -- "$@"`;

/** A user with a home of his own, and the command as he types it. */
async function openUser() {
  const folder = await tempFolder();
  const [home, checkout] = [join(folder.path, 'home'), join(folder.path, 'checkout')];
  await chmod(folder.path, 0o755);
  await mkdir(checkout);
  await mkdir(home);
  await chown(home, uid, uid);
  const grid = (...words: string[]): Promise<Ended> => {
    const command = ['env', '-i', `PATH=${process.env['PATH']}`, `HOME=${home}`, `TMPDIR=${home}`];
    const shell = ['sh', '-c', asUser, 'sh', root, checkout, ...command, join(checkout, 'grid')];
    return run('unshare', ['--mount', '--propagation=private', ...shell, ...words]);
  };
  const close = async (): Promise<void> => {
    await using _folder = folder;
    const { status, stderr } = await grid('down');
    if (status !== 0) throw new Error(`grid down: ${status}\n${stderr}`);
  };
  return { home, grid, path: folder.path, [Symbol.asyncDispose]: close };
}

test('without root all runs that needs none, and what does not is named with the reason', async () => {
  await using user = await openUser();
  const up = async (): Promise<Up> => {
    const { status, stdout, stderr } = await user.grid('up', '--port-base', '0', '--json');
    assert.equal(status, 0, stdout + stderr);
    return JSON.parse(stdout) as Up;
  };
  const first = await up();
  assert.equal(first.home, join(user.home, '.local/share/grid'));
  const names = ['bcdb', 'bot-buyer', 'bot-farmer', 'hub', 's3', 'zdb'];
  for (const name of names) assert.equal(typeof first.services[name]?.pid, 'number', name);
  assert.equal(first.services['node'], undefined);
  const lack = 'only root can run containers, volumes and namespaces; next: ./grid up as root';
  assert.equal(first.node.lack, lack);
  assert.equal(first.bots.lack, null);
  const pid = first.services['bcdb']?.pid ?? 0;
  assert.equal((await stat(`/proc/${pid}`)).uid, uid);

  // Once more nothing changes, and people read the same.
  assert.deepEqual((await up()).services, first.services);
  const told = (await user.grid('up')).stdout;
  assert.ok(told.split('\n').includes(`  no node: ${lack}`), told);

  const money = await user.grid('wallet', 'balance', '--bot', 'buyer');
  assert.match(money.stdout, /1000\.000000/, money.stderr);
  const answer = await fetch(`${first.storage.endpoint}/`);
  assert.equal(answer.status, 403);
  const list = await user.grid('ls');
  assert.deepEqual([list.status, list.stdout], [0, 'there are none; next: ./grid deploy --list\n']);
  const refusals: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['exec', 'web', '--', 'true'], 6, /NODE_ABSENT/],
    [['cordon'], 6, /NODE_ABSENT/],
    [['install'], 4, /GRID_ROOT_NEEDED[^]*next: run it as root, or say --user/],
  ];
  for (const [words, status, says] of refusals) {
    const refused = await user.grid(...words);
    assert.equal(refused.status, status, refused.stderr);
    assert.match(refused.stderr, says);
  }

  assert.equal((await user.grid('down')).status, 0);
  assert.deepEqual(await remains(user.path), []);
  const stopped = await user.grid('ls');
  assert.deepEqual([stopped.status, stopped.stderr.includes('GRID_NOT_UP')], [6, true]);
});

/** Processes and mounts that have to do with a folder. */
async function remains(folder: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = pids.map(async (pid) => {
    // One that ends meanwhile is none.
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return words.includes(folder) ? [words.replaceAll('\0', ' ')] : [];
  });
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  return [...(await Promise.all(found)).flat(), ...mounts.filter((line) => line.includes(folder))];
}
