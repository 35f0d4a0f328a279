import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isGridError } from '@commongrid/base';
import { MemoryTables } from '../testing/memory-tables.ts';
import { ModelBackend } from '../testing/model-backends.ts';
import { CopyWriter } from './copies.ts';
import { owedManifestTable } from './manifest-schema.ts';
import { owedIn } from './manifest-tables.ts';
import { ManifestWriter } from './manifest-writer.ts';
import type { Manifest } from './manifest.ts';

const policy = {
  ...{ dataShards: 4, parityShards: 2 },
  ...{ chunkSizeBytes: 4 * 2 ** 20, compression: 'none' as const },
} as const;

function manifestOf(no: number): Manifest {
  return { versionId: Buffer.alloc(16, no), document: Buffer.from('a document'), blobs: [] };
}

class Setup {
  readonly tables = new MemoryTables(owedManifestTable);
  readonly backends = Array.from({ length: 6 }, (_, at) => new ModelBackend(at + 1, () => 1));

  head(): ManifestWriter {
    const all = this.backends;
    const byNo = (no: number): ModelBackend | undefined => all.find((each) => each.no === no);
    return new ManifestWriter(Buffer.alloc(32), new CopyWriter({ all, byNo }));
  }

  /** Numbers of the versions that the tables say may lack their manifests. */
  get noted(): number[] {
    return owedIn(this.tables.db).map(([no = 0]) => no);
  }

  /** A batch of one change, whose record is kept. */
  commit(head: ManifestWriter, no: number, epoch = 1): Promise<void> {
    head.begin();
    const kept = head.stage(manifestOf(no), policy);
    head.note(this.tables.db, epoch);
    head.send();
    return kept;
  }

  get copies(): number {
    return this.backends.reduce((sum, { values }) => sum + values.size, 0);
  }
}

suite('a manifest that goes with its record', () => {
  test('is on m + 1 nodes when it resolves, and noted before', async () => {
    const setup = new Setup();
    const kept = setup.commit(setup.head(), 1);
    assert.deepEqual(setup.noted, [1]);
    await kept;
    assert.equal(setup.copies, 3);
  });

  test('is noted until it is written', async () => {
    const setup = new Setup();
    const head = setup.head();
    const first = setup.commit(head, 1);
    const second = setup.commit(head, 2);
    assert.deepEqual(setup.noted, [1, 2]);
    await Promise.all([first, second]);
    await setup.commit(head, 3);
    assert.deepEqual(setup.noted, [3]);
  });

  test('of a batch that runs again is sent once', async () => {
    const setup = new Setup();
    const head = setup.head();
    head.begin();
    void head.stage(manifestOf(1), policy);
    await setup.commit(head, 1);
    assert.equal(setup.copies, 3);
    assert.deepEqual(setup.noted, [1]);
  });

  test('is owed by the next head, until that one has made it', async () => {
    const setup = new Setup();
    const killed = setup.head();
    killed.begin();
    void killed.stage(manifestOf(1), policy);
    killed.note(setup.tables.db, 1);
    const head = setup.head();
    assert.deepEqual(head.owed(setup.tables.db, 2), [Buffer.alloc(16, 1)]);
    assert.equal(await head.flush(setup.tables.db, 2), false);
    await setup.commit(head, 2, 2);
    assert.deepEqual(setup.noted, [1, 2]);
    head.settle(Buffer.alloc(16, 1));
    await setup.commit(head, 3, 2);
    assert.deepEqual(setup.noted, [3]);
    assert.equal(await head.flush(setup.tables.db, 2), true);
  });

  test('that cannot be written is owed, and its version not acknowledged', async () => {
    const setup = new Setup();
    const head = setup.head();
    for (const backend of setup.backends.slice(1)) backend.refusesWrites = true;
    await assert.rejects(setup.commit(head, 1), (error) =>
      isGridError(error, 'ZSTOR_CATALOG_RESULT_UNKNOWN'),
    );
    assert.deepEqual(head.owed(setup.tables.db, 1), [Buffer.alloc(16, 1)]);
    assert.ok(head.isLate);
  });
});
