import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { errorCode, waitFor } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import type { Files } from '@commongrid/files';
import { faultyFiles } from '@commongrid/files/testing';
import type { ZdbEvent } from '../src/index.ts';
import { Door, field, openServer } from './support/door.ts';
import { caughtUp, contentOf, openPeer, replicaOf } from './support/replicated.ts';

const run = promisify(execFile);
const mebibyte = 2 ** 20;
const cannotWrite = '-Cannot write data right now';
const soon = { timeoutMs: 60_000, everyMs: 5, what: 'the server' };

suite('a disk that others fill', () => {
  test('is written to again once there is room, and what was refused is not there', async () => {
    await using folder = await tempFolder('zdb-full');
    await using disk = await SmallDisk.mount(folder.path, 32);
    const clock = new ManualClock(1_800_000_000_000);
    const events: ZdbEvent[] = [];
    const dataDir = path.join(disk.path, 'data');
    const options = {
      clock,
      segmentBytes: mebibyte,
      onEvent: (event: ZdbEvent) => events.push(event),
    };
    await using server = await openServer(dataDir, options);
    const ask = await new Door(server, folder).client();
    await ask('NSNEW', 'ids');
    await ask('NSSET', 'ids', 'mode', 'seq');
    for (const round of ['one', 'two']) {
      assert.equal(await ask('SET', `kept-${round}`, 'value'), `"kept-${round}"`);
      await disk.fill();
      const large = Buffer.alloc(300_000, round);
      assert.equal(await ask('SET', `refused-${round}`, large), cannotWrite);
      await waitFor(() => server.store.readOnlyReason !== undefined, soon);
      // Nothing changes while the disk is full.
      await clock.advance(20_000);
      assert.equal(await ask('SET', 'late', 'value'), cannotWrite);
      assert.equal(await ask('GET', `kept-${round}`), '"value"');
      assert.equal(await ask('GET', `refused-${round}`), 'nil');
      await disk.makeRoom();
      await clock.advance(5_000);
      await waitFor(() => server.store.readOnlyReason === undefined, soon);
      assert.equal(await ask('GET', `refused-${round}`), 'nil');
      assert.equal(await ask('SET', `after-${round}`, large), `"after-${round}"`);
      assert.equal(field((await ask('INFO')).slice(1, -1), 'read_only'), 'no');
    }
    await ask('SELECT', 'ids');
    assert.equal(await ask('SET', '', 'first'), `"${'\0'.repeat(8)}"`);
    const kinds = events.map(({ kind }) => kind).filter((kind) => !kind.startsWith('segment'));
    assert.deepEqual(kinds, ['failure', 'writable', 'failure', 'writable']);
    // As if it had been killed here.
    await using copy = await tempFolder('zdb-full-copy');
    await cp(dataDir, copy.path, { recursive: true });
    await using again = await openServer(copy.path);
    assert.deepEqual([again.store.recovery, again.store.readOnlyReason], [[], undefined]);
    const reader = await new Door(again, copy).client();
    for (const round of ['one', 'two']) {
      assert.equal(await reader('GET', `kept-${round}`), '"value"');
      assert.equal(await reader('EXISTS', `after-${round}`), ':1');
      assert.equal(await reader('EXISTS', `refused-${round}`), ':0');
    }
  });
});

test('who waits for room on a disk that is full to its end hears that there is none', async () => {
  let isFull = false;
  let isShort = false;
  const real = faultyFiles(({ name }) => {
    return isFull && name !== 'read' ? { code: 'ENOSPC' } : undefined;
  });
  const statfsSync = (folder: string): object => {
    const { blocks, bsize, bavail } = real.statfsSync(folder);
    return { blocks, bsize, bavail: isShort ? 0 : bavail };
  };
  const files: Files = Object.assign({ ...real }, { statfsSync });
  await using door = await Door.open({ files });
  const ask = await door.client();
  for (const value of ['one', 'two']) await ask('SET', 'key', value);
  isFull = true;
  isShort = true;
  const large = Buffer.alloc(2 * mebibyte);
  const reply = await ask('SET', 'other', large);
  isFull = false;
  assert.equal(reply, '-No space left on this namespace');
});

suite('a disk that fails', () => {
  for (const durability of ['everysec', 'os'] as const) {
    test(`has nobody believe in ${durability} what it did not take`, async () => {
      let isFull = false;
      const files = faultyFiles(({ name }) =>
        isFull && name === 'write' ? { code: 'ENOSPC' } : undefined,
      );
      await using door = await Door.open({ files, durability });
      const ask = await door.client();
      assert.equal(await ask('SET', 'key', 'old'), '"key"');
      isFull = true;
      const replies = await Promise.all([ask('SET', 'key', 'new'), ask('GET', 'key'), ask('PING')]);
      assert.deepEqual(replies.slice(0, 2), [cannotWrite, cannotWrite]);
      await waitFor(() => door.server.store.readOnlyReason !== undefined, soon);
      assert.equal(await ask('GET', 'key'), '"old"');
    });
  }

  for (const code of ['EIO', 'EROFS']) {
    test(`is left alone after ${code}, though it would take writes again`, async () => {
      let isFailing = false;
      const files = faultyFiles(({ name }) =>
        isFailing && name === 'sync' ? { code } : undefined,
      );
      const clock = new ManualClock(1_800_000_000_000);
      await using door = await Door.open({ files, clock });
      const ask = await door.client();
      await ask('SET', 'kept', 'value');
      isFailing = true;
      assert.equal(await ask('SET', 'refused', 'value'), cannotWrite);
      await waitFor(() => door.server.store.readOnlyReason !== undefined, soon);
      isFailing = false;
      await clock.advance(60_000);
      assert.equal(await ask('SET', 'late', 'value'), cannotWrite);
      assert.equal(await ask('GET', 'kept'), '"value"');
    });
  }

  test('in the moment in which it has room again is left alone', async () => {
    let code: string | undefined;
    const files = faultyFiles(({ name }) => {
      return code !== undefined && name === 'sync' ? { code } : undefined;
    });
    const clock = new ManualClock(1_800_000_000_000);
    await using door = await Door.open({ files, clock });
    const ask = await door.client();
    await ask('SET', 'kept', 'value');
    code = 'EDQUOT';
    assert.equal(await ask('SET', 'refused', 'value'), cannotWrite);
    await waitFor(() => door.server.store.readOnlyReason !== undefined, soon);
    await clock.advance(10_000);
    code = 'EIO';
    await clock.advance(5_000);
    code = undefined;
    await clock.advance(60_000);
    assert.equal(await ask('SET', 'late', 'value'), cannotWrite);
    assert.equal(await ask('GET', 'kept'), '"value"');
  });
});

test('a replica whose disk was full follows on, and so do its own', async () => {
  await using folder = await tempFolder('zdb-full-replica');
  let isFull = false;
  const files = faultyFiles(({ name }) =>
    isFull && name === 'write' ? { code: 'ENOSPC' } : undefined,
  );
  const clock = new ManualClock(1_800_000_000_000);
  await using master = await openPeer(path.join(folder.path, 'a'));
  const middle = { ...replicaOf(master), files, clock };
  await using replica = await openPeer(path.join(folder.path, 'b'), middle);
  await using last = await openPeer(path.join(folder.path, 'c'), replicaOf(replica));
  await master.client.command(['SET', 'one', 'value']);
  await caughtUp(master.server, last.server);
  isFull = true;
  await master.client.command(['SET', 'two', 'value']);
  await waitFor(() => replica.server.store.readOnlyReason !== undefined, soon);
  await clock.advance(5_000);
  isFull = false;
  await clock.advance(5_000);
  await master.client.command(['SET', 'three', 'value']);
  await caughtUp(master.server, replica.server);
  await caughtUp(master.server, last.server);
  assert.deepEqual(await contentOf(last.server.store), await contentOf(master.server.store));
});

/** A file system of its own. */
class SmallDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(mounted: string) {
    this.path = mounted;
  }

  static async mount(at: string, sizeMiB: number): Promise<SmallDisk> {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=700`, 'zdb-test', at]);
    return new SmallDisk(at);
  }

  /** Takes all that is free. */
  async fill(): Promise<void> {
    await writeFile(this.#filler, Buffer.alloc(64 * mebibyte)).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOSPC') throw error;
    });
  }

  makeRoom(): Promise<void> {
    return rm(this.#filler);
  }

  get #filler(): string {
    return path.join(this.path, 'filler');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', ['--lazy', this.path]);
  }
}
