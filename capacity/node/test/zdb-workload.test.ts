import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { waitFor } from '@commongrid/base';
import { hasCode } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';

import { ZdbDriver } from '../src/zdb/zdb-driver.ts';
import { fieldsIn, textOf } from '../src/zdb/zdb-fields.ts';
import { openZdbKeys } from '../src/zdb/zdb-keys.ts';
import { enter, ZdbPlace, zdbAssignment } from './support/zdb-place.ts';

const { signal } = new AbortController();
const context = { signal, progress: () => {} };
const agent = fileURLToPath(new URL('support/zdb-agent-program.ts', import.meta.url));

test('namespace of a Zero-DB', async (t) => {
  await using place = await ZdbPlace.open();
  await using driver = await ZdbDriver.open(place.options);
  await t.test('namespace is there for its owner alone, from start to stop', async () => {
    const assignment = zdbAssignment();
    const { key } = assignment;
    const state = async () => (await driver.observe(key, signal)).state;
    const facts = driver.facts(assignment);
    assert.equal(await state(), 'absent');
    assert.deepEqual(await driver.list(signal), []);
    assert.equal(await place.pid(), undefined, 'nothing was to be started yet');

    for (let i = 0; i < 2; i++) await driver.prepare(assignment, context);
    assert.equal(await state(), 'prepared');
    await using early = await enter(facts, 'secret');
    await assert.rejects(early.command(['SET', 'k', 'v']), /frozen/);

    for (let i = 0; i < 2; i++) await driver.start(assignment, context);
    assert.equal(await state(), 'running');
    await driver.probe(assignment, signal);
    await early.command(['SET', 'k', 'v']);
    await assert.rejects(enter(facts), /private/);
    await assert.rejects(enter(facts, 'guess'), /Access denied/);
    const stranger = { ...facts, fingerprint: facts.fingerprint.replace(/^../, 'zz') };
    await assert.rejects(enter(stranger, 'secret'), hasCode('RESP_PEER_UNTRUSTED'));
    const { host, port } = facts;
    await assert.rejects(
      RespClient.connect({ host, port, setup: [['PING']], connectTimeoutMs: 1_000 }),
      'it speaks TLS alone',
    );
    const remains = await driver.list(signal);
    assert.deepEqual(
      remains.map((one) => one.key),
      [key],
    );

    for (let i = 0; i < 2; i++) await driver.stop(assignment, context);
    assert.equal(await state(), 'prepared');
    await assert.rejects(early.command(['GET', 'k']), /frozen/);
    await assert.rejects(driver.probe(assignment, signal), /frozen/);
  });

  await t.test(
    'namespace that was released keeps its data, one that was destroyed is gone',
    async () => {
      const assignment = zdbAssignment({}, { replica: 1 });
      const { key } = assignment;
      const facts = driver.facts(assignment);
      const isListed = async () => (await driver.list(signal)).some((one) => one.key === key);
      await driver.prepare(assignment, context);
      await driver.start(assignment, context);
      await using client = await enter(facts, 'secret');
      await client.command(['SET', 'k', 'v']);
      for (let i = 0; i < 2; i++) await driver.release(key, context);
      assert.equal((await driver.observe(key, signal)).state, 'absent');
      assert.ok(await isListed());
      await assert.rejects(client.command(['GET', 'k']), /frozen/);
      await using guest = await enter(facts);
      await assert.rejects(guest.command(['GET', 'k']), /frozen/);
      await assert.rejects(driver.start(assignment, context), hasCode('NODE_ZDB_INVALID'));

      await driver.prepare(assignment, context);
      await driver.start(assignment, context);
      await using again = await enter(facts, 'secret');
      assert.equal(textOf(await again.command(['GET', 'k'])), 'v');

      for (let i = 0; i < 2; i++) await driver.destroy(key, context);
      assert.ok(!(await isListed()));
      await driver.prepare(assignment, context);
      await driver.start(assignment, context);
      await using empty = await enter(facts, 'secret');
      assert.equal(await empty.command(['GET', 'k']), null);
    },
  );

  await t.test(
    'namespace has size, mode and readers as its contract says, and a new one changes them',
    async () => {
      const first = zdbAssignment(
        { mode: 'seq', sizeBytes: 2 ** 20, isPublic: true },
        { replica: 2 },
      );
      await driver.prepare(first, context);
      await driver.start(first, context);
      await using reader = await enter(driver.facts(first));
      const info = async () => fieldsIn(await reader.command(['NSINFO', first.key]));
      assert.equal((await info()).get('mode'), 'sequential');
      assert.equal((await info()).get('data_limits_bytes'), String(2 ** 20));
      await assert.rejects(reader.command(['SET', '', 'v']), /read-only/);
      const next = zdbAssignment(
        { mode: 'seq', sizeBytes: 2 ** 21, isPublic: false },
        { replica: 2, password: 'other' },
      );
      await driver.prepare(next, context);
      assert.equal((await driver.observe(next.key, signal)).state, 'running');
      assert.equal((await info()).get('data_limits_bytes'), String(2 ** 21));
      await assert.rejects(enter(driver.facts(first)), /private/);
      await using writer = await enter(driver.facts(first), 'other');
      await writer.command(['SET', '', 'v']);
      const odd = zdbAssignment({ mode: 'user' }, { replica: 2 });
      await assert.rejects(driver.prepare(odd, context), hasCode('NODE_ZDB_REFUSED'));
    },
  );

  await t.test('namespace that no client can use does not start, and stays closed', async () => {
    const assignment = zdbAssignment({}, { replica: 4 });
    await driver.prepare(assignment, context);
    const other = zdbAssignment({}, { replica: 4, password: 'other' });
    await assert.rejects(driver.start(other, context), /Access denied/);
    assert.equal((await driver.observe(assignment.key, signal)).state, 'prepared');
    await driver.start(assignment, context);
    assert.equal((await driver.observe(assignment.key, signal)).state, 'running');
  });

  await t.test('namespace that a loss of power left open is closed before it is used', async () => {
    const assignment = zdbAssignment({}, { replica: 5 });
    const { key } = assignment;
    const { host, port, fingerprint } = driver.facts(assignment);
    const { adminPassword } = await openZdbKeys(place.options.folder);
    await using admin = await RespClient.connect({
      ...{ host, port, tls: { fingerprint256: fingerprint } },
      password: adminPassword,
    });
    await admin.command(['NSNEW', key]);
    assert.equal((await driver.observe(key, signal)).state, 'absent');
    await driver.prepare(assignment, context);
    assert.equal((await driver.observe(key, signal)).state, 'prepared');
    const info = fieldsIn(await admin.command(['NSINFO', key]));
    assert.deepEqual([info.get('public'), info.get('frozen')], ['no', 'yes']);
    assert.equal(info.get('data_limits_bytes'), String(2 ** 20));
  });

  await t.test('namespace that cannot be is refused, each with its code', async () => {
    const refused = async (assignment: ReturnType<typeof zdbAssignment>, code: string) => {
      await assert.rejects(driver.prepare(assignment, context), hasCode(code));
    };
    for (const password of ['*', '', 'x'.repeat(64)]) {
      await refused(zdbAssignment({}, { replica: 3, password }), 'NODE_ZDB_INVALID');
    }
    await refused(zdbAssignment({ password: 'unknown' }, { replica: 3 }), 'NODE_ZDB_INVALID');
    await refused(zdbAssignment({ sizeBytes: 0 }, { replica: 3 }), 'NODE_ZDB_INVALID');
    await refused(zdbAssignment({ sizeBytes: 2 ** 50 }, { replica: 3 }), 'NODE_ZDB_REFUSED');
    const { key } = zdbAssignment({}, { replica: 3 });
    assert.ok(!(await driver.list(signal)).some((one) => one.key === key));
  });
});

test('Zero-DB that is killed comes back with password, size, readers and data', async () => {
  await using place = await ZdbPlace.open();
  await using driver = await ZdbDriver.open(place.options);
  const assignment = zdbAssignment({ isPublic: true });
  const facts = driver.facts(assignment);
  const areRunning = async (): Promise<readonly string[]> => {
    return (await driver.status()).flatMap(({ disk, isRunning }) => (isRunning ? [disk] : []));
  };
  assert.deepEqual(await areRunning(), []);
  await driver.prepare(assignment, context);
  await driver.start(assignment, context);
  assert.deepEqual(await areRunning(), ['ssd']);
  await using client = await enter(facts, 'secret');
  await client.command(['SET', 'k', 'v']);
  const told: string[] = [];
  using _watch = driver.watch((key) => told.push(key));
  const pid = await place.pid();
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  await waitFor(() => told.length > 0, { timeoutMs: 60_000, what: 'word of its end' });
  assert.deepEqual(told, [assignment.key]);
  assert.deepEqual(await areRunning(), []);
  assert.equal((await driver.observe(assignment.key, signal)).state, 'absent');
  await driver.prepare(assignment, context);
  assert.equal((await driver.observe(assignment.key, signal)).state, 'running');
  assert.notEqual(await place.pid(), pid);
  assert.deepEqual(await areRunning(), ['ssd']);
  assert.deepEqual(driver.facts(assignment), facts);
  await using again = await enter(facts, 'secret');
  assert.equal(textOf(await again.command(['GET', 'k'])), 'v');
  await using reader = await enter(facts);
  assert.equal(textOf(await reader.command(['GET', 'k'])), 'v');
  const info = fieldsIn(await reader.command(['NSINFO', assignment.key]));
  assert.equal(info.get('data_limits_bytes'), String(2 ** 20));
});

test('Zero-DB outlives its agent, and the next agent finds it', async () => {
  await using place = await ZdbPlace.open();
  const folder = join(place.options.folder, '..');
  const child = spawn(process.execPath, [agent, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const pid = await place.pid();
  child.kill('SIGKILL');
  await once(child, 'exit');
  await using driver = await ZdbDriver.open(place.options);
  const assignment = zdbAssignment();
  assert.equal((await driver.observe(assignment.key, signal)).state, 'running');
  await driver.probe(assignment, signal);
  await driver.prepare(assignment, context);
  await driver.start(assignment, context);
  assert.equal(await place.pid(), pid);
  await driver.endProcesses(signal);
  assert.equal(await place.pid(), undefined);
  assert.equal((await driver.observe(assignment.key, signal)).state, 'absent');
});

test('agent that is killed while it starts a Zero-DB is followed by one that ends what it began', async () => {
  await using place = await ZdbPlace.open();
  const folder = join(place.options.folder, '..');
  // First while there is no more than a certificate, then as soon as there is a process.
  for (const isFarEnough of [
    async () => (await readdir(folder)).includes('node'),
    async () => (await place.pid()) !== undefined,
  ]) {
    const child = spawn(process.execPath, [agent, folder], { stdio: 'ignore' });
    const exited = once(child, 'exit');
    await waitFor(isFarEnough, { timeoutMs: 60_000, what: 'the first steps' });
    child.kill('SIGKILL');
    await exited;
  }
  await using driver = await ZdbDriver.open(place.options);
  const assignment = zdbAssignment();
  await driver.prepare(assignment, context);
  await driver.start(assignment, context);
  await driver.probe(assignment, signal);
});

test('namespace stays on its kind of disk, and needs one that the node has', async () => {
  await using place = await ZdbPlace.open();
  await using driver = await ZdbDriver.open(place.options);
  const { ssd: _ssd, ...disks } = place.options.disks;
  await using small = await ZdbDriver.open({ ...place.options, disks });
  await assert.rejects(small.prepare(zdbAssignment(), context), hasCode('NODE_FEATURE_MISSING'));
  await driver.prepare(zdbAssignment({ disk: 'hdd' }), context);
  const moved = driver.prepare(zdbAssignment({ disk: 'ssd' }), context);
  await assert.rejects(moved, hasCode('NODE_ZDB_INVALID'));
  assert.deepEqual(
    (await driver.list(signal)).map(({ key }) => key),
    [zdbAssignment().key],
  );
});

test('Zero-DB that does not begin is an error with what it said', async () => {
  await using place = await ZdbPlace.open();
  const command = ['sh', '-c', 'echo no such thing >&2; exit 3'];
  await using driver = await ZdbDriver.open({ ...place.options, command });
  await assert.rejects(driver.prepare(zdbAssignment(), context), (error) => {
    assert.match(String(error), /ended with 3: no such thing/);
    return hasCode('NODE_ZDB_SILENT')(error);
  });
  const missing = ['/no/such/program'];
  await using other = await ZdbDriver.open({ ...place.options, command: missing });
  await assert.rejects(other.prepare(zdbAssignment(), context), hasCode('NODE_ZDB_SILENT'));
});
