import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { mountAt, readMounts, waitFor } from '@commongrid/base';

import type { MountRecord } from '../src/mount/mount-journal.ts';
import { readServiceConfig, writeServiceConfig } from '../src/mount/service-config.ts';
import { digestOfFolder, kill, ServiceHarness } from './mount-harness.ts';
import { makeRoot, modes } from './mount-root.ts';

const execAsync = promisify(execFile);

test('the service is killed: readers complete, mounts stay and are taken up', async (t) => {
  const harness = await ServiceHarness.open(t);
  const { flist } = await makeRoot(harness);
  await harness.start();
  const targets: string[] = [];
  for (const mode of modes) targets.push(await harness.mount(flist, { id: mode, mode }));
  const pid = (await harness.servicePid()) ?? 0;
  await kill(pid);
  const readers = targets.map((target) => execAsync('cat', [join(target, 'etc', 'late')]));
  await harness.servicePid(pid);
  for (const { stdout } of await Promise.all(readers))
    assert.equal(stdout, 'read by nobody before');
  for (const target of targets) assert.equal(await digestOfFolder(target), flist.digest);
  const mounts = (await harness.ask('list')) as MountRecord[];
  assert.deepEqual(mounts.map(({ id }) => id).toSorted(), [...modes]);
  for (const mode of modes) await harness.ask('unmount', { id: mode });
});

test('the holder is killed too: what is dead is made again, or cleared while it is used', async (t) => {
  const harness = await ServiceHarness.open(t);
  const { flist } = await makeRoot(harness);
  const holder = await harness.start();
  const writableFolder = join(harness.folder, 'written');
  await mkdir(writableFolder);
  const written = await harness.mount(flist, { id: 'written', writableFolder });
  await writeFile(join(written, 'note'), 'kept');
  const used = await harness.mount(flist, { id: 'used' });
  const targets: string[] = [written];
  for (const mode of modes) targets.push(await harness.mount(flist, { id: mode, mode }));
  const user = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'], cwd: used });
  t.after(() => void user.kill('SIGKILL'));
  await once(user, 'spawn');
  const pid = await harness.servicePid();
  process.kill(holder.pid, 'SIGKILL');
  await holder.ended;
  // The service goes on without its holder.
  assert.equal(await digestOfFolder(targets[1] ?? ''), flist.digest);
  await kill(pid);
  await harness.start();
  const mounts = (await harness.ask('list')) as MountRecord[];
  assert.deepEqual(mounts.map(({ id }) => id).toSorted(), ['overlay', 'tree', 'written']);
  assert.equal(await mountAt(used), undefined);
  for (const target of targets.slice(1)) assert.equal(await digestOfFolder(target), flist.digest);
  assert.equal(readFileSync(join(written, 'note'), 'utf8'), 'kept');
  assert.equal(readFileSync(join(written, 'etc', 'late'), 'utf8'), 'read by nobody before');
  await harness.mount(flist, { id: 'used' });
});

test('a dead mount that cannot be made again is no reason to lose the others', async (t) => {
  const harness = await ServiceHarness.open(t);
  const { flist } = await makeRoot(harness);
  const holder = await harness.start();
  const writableFolder = join(harness.folder, 'written');
  await mkdir(writableFolder);
  // They are made again in the order of their names.
  await harness.mount(flist, { id: 'a', writableFolder });
  await harness.mount(flist, { id: 'b' });
  const pid = await harness.servicePid();
  process.kill(holder.pid, 'SIGKILL');
  await holder.ended;
  await kill(pid);
  // As when its disk is not there.
  await rm(writableFolder, { recursive: true });
  await harness.start();
  const mounts = (await harness.ask('list')) as MountRecord[];
  assert.deepEqual(
    mounts.map(({ id }) => id),
    ['b'],
  );
});

test('an image of which nothing can be fetched shows its names, and EIO for content', async (t) => {
  const harness = await ServiceHarness.open(t, { sources: [] });
  const { flist } = await makeRoot(harness);
  await harness.start();
  for (const mode of modes) {
    const target = await harness.mount(flist, { id: mode, mode });
    assert.equal((await readdir(join(target, 'etc'))).length, 7);
    assert.throws(() => readFileSync(join(target, 'etc', 'motd')), { code: 'EIO' });
  }
});

test('a source that cannot be opened keeps no service that was killed from coming back', async (t) => {
  const harness = await ServiceHarness.open(t);
  const { flist } = await makeRoot(harness);
  await harness.start();
  const target = await harness.mount(flist, { id: 'm' });
  const { maxBytes, sources } = await readServiceConfig(harness.store);
  const zdb = { host: '127.0.0.1', port: 1, namespace: 'n', passwordFile: '/nowhere' };
  const broken = [{ kind: 'unknown here', options: {} }, { zdb }];
  await writeServiceConfig(harness.store, { maxBytes, sources: [...broken, ...sources] });
  // Whoever changes them is told.
  await assert.rejects(harness.ask('reload'), { code: 'FLIST_SERVICE_CONFIG_INVALID' });
  const pid = await harness.servicePid();
  await kill(pid);
  await harness.servicePid(pid);
  assert.equal(readFileSync(join(target, 'etc', 'late'), 'utf8'), 'read by nobody before');
  const status = (await harness.ask('sources')) as { lastFailure?: string }[];
  assert.match(status[0]?.lastFailure ?? '', /^cannot be opened: nothing here opens a source/);
});

test('the service is killed while it mounts: what is mounted is what it knows', async (t) => {
  const harness = await ServiceHarness.open(t);
  const { flist } = await makeRoot(harness);
  await harness.start();
  const stages = ['mounts/m.json', 'meta/m'];
  for (const stage of stages) {
    const pid = await harness.servicePid();
    const shift = { uidShift: 7, gidShift: 7 };
    const order = harness.mount(flist, { id: 'm', mode: 'overlay', ...shift }).catch(() => '');
    const isAtStage = (): boolean => existsSync(join(harness.store, stage));
    const done = new AbortController();
    const what = { timeoutMs: 60_000, what: stage, everyMs: 1, signal: done.signal };
    const reached = waitFor(isAtStage, what).catch(() => false);
    await Promise.race([order, reached]);
    process.kill(pid, 'SIGKILL');
    await order;
    done.abort();
    await reached;
    await harness.servicePid(pid);
    const known = (await harness.ask('list')) as MountRecord[];
    const mounted = (await readMounts())
      .map(({ target }) => target)
      .filter((target) => target.startsWith(`${harness.folder}/`));
    const fuse = join(harness.store, 'fuse');
    assert.deepEqual(mounted.toSorted(), [...known.map(({ target }) => target), fuse].toSorted());
    for (const { id } of known) await harness.ask('unmount', { id });
  }
});
