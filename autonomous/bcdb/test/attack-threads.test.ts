import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { waitFor, withTimeout } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import type { Bcdb } from '../src/bcdb.ts';
import { SignaturePool } from '../src/sequencer/signature-pool.ts';
import { noteUrl, openNotes, writeNotes } from './support/notes.ts';

/** Threads that were started since, as Node tells of them. */
class Threads implements Disposable {
  readonly started: Worker[] = [];
  readonly #note = (worker: Worker): void => void this.started.push(worker);

  constructor() {
    process.on('worker', this.#note);
  }

  /** Waits for as many to be there. */
  async killAll(atLeast: number): Promise<void> {
    const what = `${atLeast} threads`;
    await waitFor(() => this.started.length >= atLeast, { what, timeoutMs: 60_000 });
    const all = this.started.splice(0);
    await Promise.all(all.map((worker) => worker.terminate()));
  }

  [Symbol.dispose](): void {
    process.off('worker', this.#note);
  }
}

/** An operation must end, either way: hanging is the one thing that it may not do. */
function ending<T>(what: string, work: () => Promise<T>): Promise<T> {
  return withTimeout(work, { what, timeoutMs: 60_000 });
}

test('signatures are checked on when their threads end in the middle of it', async () => {
  using threads = new Threads();
  await using pool = SignaturePool.open(2);
  const key = SigningKey.generate();
  const payload = new TextEncoder().encode('payload');
  const signature = key.sign('commongrid/rec/1', payload);
  const signed = new Uint8Array([...payload, ...signature]);
  const forged = new Uint8Array([...payload, ...signature.toReversed()]);
  for (let round = 0; round < 3; round++) {
    const checks = Array.from({ length: 50 }, (_, index) =>
      pool.check(key.publicKey.text, index % 2 === 0 ? signed : forged),
    );
    await threads.killAll(2);
    const answers = await ending('checks', () => Promise.all(checks));
    assert.deepEqual(
      answers,
      answers.map((_, index) => index % 2 === 0),
    );
  }
});

test('a signature whose thread ends each time is refused, and the next one is checked', async () => {
  using threads = new Threads();
  await using pool = SignaturePool.open(1);
  const killer = (worker: Worker): void => void worker.terminate();
  // Before: the next one may be there as soon as this one ends.
  process.on('worker', killer);
  try {
    await threads.killAll(1);
    const check = pool.check('ed25519:x', new Uint8Array(80));
    await assert.rejects(
      ending('check', () => check),
      { code: 'BCDB_INTERNAL', retryable: true },
    );
  } finally {
    process.off('worker', killer);
  }
  assert.equal(await ending('check', () => pool.check('ed25519:x', new Uint8Array(80))), false);
});

test('a database whose threads are all killed goes on, or says why it does not', async () => {
  await using folder = await tempFolder();
  using threads = new Threads();
  await using bcdb = await openNotes({ dataDir: folder.path, owner: SigningKey.generate() });
  for (let round = 0; round < 3; round++) {
    await writeNotes(bcdb, 50, `r${round}-`);
    await bcdb.projection.waitFor(bcdb.head.size - 1);
    await bcdb.projection.count('notes', noteUrl);
    const writes = writeNotes(bcdb, 50, `s${round}-`);
    const reads = Promise.allSettled([bcdb.projection.count('notes', noteUrl)]);
    // Of signatures, the writer and the reader.
    await threads.killAll(3);
    await ending('writes', () => writes);
    for (const read of await ending('reads', () => reads)) {
      if (read.status === 'fulfilled') continue;
      assert.equal((read.reason as { code?: string }).code, 'BCDB_PROJECTION_STOPPED');
    }
    await ending('projection', () => bcdb.projection.waitFor(bcdb.head.size - 1));
    assert.equal(await countNotes(bcdb), (round + 1) * 100);
  }
});

test('a projection whose writer never stays alive says so, and the log goes on', async () => {
  await using folder = await tempFolder();
  using threads = new Threads();
  await using bcdb = await openNotes({ dataDir: folder.path, owner: SigningKey.generate() });
  await bcdb.projection.waitFor(bcdb.head.size - 1);
  const killer = (worker: Worker): void => void worker.terminate();
  process.on('worker', killer);
  try {
    await threads.killAll(2);
    // Signatures have ended too: whoever writes now is told.
    const outcome = await ending('write', () => Promise.allSettled([writeNotes(bcdb, 1)]));
    assert.equal(outcome[0]?.status, 'rejected');
    await assert.rejects(
      ending('projection', () => bcdb.projection.waitFor(bcdb.head.size + 1)),
      { code: 'BCDB_PROJECTION_STOPPED' },
    );
  } finally {
    process.off('worker', killer);
  }
  await ending('write', () => writeNotes(bcdb, 5));
});

function countNotes(bcdb: Bcdb): Promise<number> {
  return ending('count', () => bcdb.projection.count('notes', noteUrl));
}
