import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { errorCode, isGridError, withTimeout } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { verifyFolder } from '../src/offline/verify-folder.ts';
import { noteUrl, openNotes } from './support/notes.ts';

const run = promisify(execFile);

/** A disk of its own that a test can fill. */
class SmallDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async mount(path: string, sizeMiB: number): Promise<SmallDisk> {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=700`, 'bcdb-test', path]);
    return new SmallDisk(path);
  }

  /** Leaves so many bytes, more or less: others write meanwhile. */
  async fill(leftBytes: number): Promise<void> {
    for (let tries = 0; tries < 10; tries++) {
      const { stdout } = await run('df', ['--output=avail', '-B1', this.path]);
      const free = Number(stdout.split('\n')[1]);
      try {
        await writeFile(this.#filler, Buffer.alloc(Math.max(0, free - leftBytes)));
        return;
      } catch (error) {
        if (errorCode(error) !== 'ENOSPC') throw error;
        await rm(this.#filler);
      }
    }
    assert.fail('the disk could not be filled');
  }

  async makeRoom(): Promise<void> {
    await rm(this.#filler);
  }

  get #filler(): string {
    return join(this.path, 'filler');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', ['--lazy', this.path]);
  }
}

/** Writes until it fails; the versions that were acknowledged, by object, and the failure. */
async function writeUntilFull(
  bcdb: Bcdb,
  round: number,
): Promise<{ readonly taken: Map<string, string>; readonly code: string | undefined }> {
  const taken = new Map<string, string>();
  for (let index = 0; index < 5000; index++) {
    const obj = `r${round}-${index}`;
    const value = { text: 'some words '.repeat(100) };
    try {
      const write = bcdb.write({ ns: 'notes', op: 'put', url: noteUrl, obj, value });
      const { version } = await withTimeout(() => write, { what: 'a write', timeoutMs: 60_000 });
      taken.set(obj, version);
    } catch (error) {
      assert.ok(isGridError(error), String(error));
      return { taken, code: error.code };
    }
  }
  return { taken, code: undefined };
}

test('a full disk stops a database with a code, loses nothing, and it goes on once there is room', async () => {
  await using folder = await tempFolder('bcdb-full');
  await using disk = await SmallDisk.mount(folder.path, 24);
  const dataDir = join(folder.path, 'data');
  const owner = SigningKey.generate();
  const all = new Map<string, string>();
  for (const [round, leftBytes] of [0, 30_000, 300_000, 1_500_000].entries()) {
    {
      await using bcdb = await openNotes({ dataDir, owner });
      await disk.fill(leftBytes);
      const { taken, code } = await writeUntilFull(bcdb, round);
      for (const [obj, version] of taken) all.set(obj, version);
      assert.ok(code !== undefined, 'the disk is full');
      assert.match(code, /^BCDB_(?:LOG_FULL|LOG_STOPPED|TREE_STOPPED)$/, `${leftBytes} bytes left`);
      // Who comes later is told the same, at once.
      const { code: later } = await writeUntilFull(bcdb, round);
      assert.match(later ?? 'none', /^BCDB_(?:LOG_FULL|LOG_STOPPED)$/);
      const failed = await withTimeout(() => bcdb.failed, {
        what: 'the failure',
        timeoutMs: 60_000,
      });
      assert.equal(failed.code, 'BCDB_LOG_STOPPED');
    }
    await disk.makeRoom();
    await using bcdb = await openNotes({ dataDir, owner });
    for (const [obj, version] of all) {
      assert.equal(bcdb.versionOf('notes', noteUrl, obj), version, obj);
    }
    const value = { text: 'after' };
    await bcdb.write({ ns: 'notes', op: 'put', url: noteUrl, obj: `after-${round}`, value });
    await bcdb.projection.waitFor(bcdb.head.size - 1);
  }
  const { fault, findings } = await verifyFolder(dataDir);
  assert.equal(fault, undefined);
  assert.deepEqual(findings, []);
});

test('a disk that is full when a database is opened says so, and what was there stays', async () => {
  await using folder = await tempFolder('bcdb-full');
  await using disk = await SmallDisk.mount(folder.path, 24);
  const options = { dataDir: join(folder.path, 'data'), owner: SigningKey.generate() };
  let size = 0;
  {
    await using bcdb = await openNotes(options);
    await writeUntilFullOf(bcdb, 50);
    size = bcdb.head.size;
  }
  await disk.fill(0);
  const outcome = await Bcdb.open(options).then(
    async (bcdb) => {
      await bcdb.close();
      return 'open';
    },
    (error: unknown) => (isGridError(error) ? error.code : String(error)),
  );
  assert.match(outcome, /^(?:open|BCDB_LOG_FULL|BCDB_STATE_UNUSABLE)$/);
  await disk.makeRoom();
  await using bcdb = await Bcdb.open(options);
  assert.ok(bcdb.head.size >= size);
});

async function writeUntilFullOf(bcdb: Bcdb, count: number): Promise<void> {
  const put = { ns: 'notes', op: 'put', url: noteUrl, value: { text: 'x' } } as const;
  await Promise.all(Array.from({ length: count }, (_, i) => bcdb.write({ ...put, obj: `n${i}` })));
}
