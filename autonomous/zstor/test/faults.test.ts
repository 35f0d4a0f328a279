import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { isGridError, retry, waitFor } from '@commongrid/base';
import type { CareTimes } from '../src/care/care-options.ts';
import { Stor } from '../src/stor.ts';
import { Traffic } from '../src/testing/traffic.ts';
import type { TrafficStore } from '../src/testing/traffic.ts';
import { ZdbFleet } from '../src/testing/zdb-fleet.ts';
import type { FleetLayout } from '../src/testing/zdb-fleet.ts';
import { mebibyte, sixteenPlusFour } from './support/cluster.ts';

const sizesBytes = [700, 40_000, mebibyte, 5 * mebibyte + 77];
/** As long as a head may need to take the log over again on a busy machine. */
const patience = { attempts: 12, maxMs: 3_000 };
const isLong = process.env['GRID_TEST_LONG'] === '1';
/** Puts of all writers during one fault. */
const rounds = isLong ? 200 : 8;

let fleet: ZdbFleet;
before(async () => {
  fleet = await ZdbFleet.open(24);
});
after(() => fleet[Symbol.asyncDispose]());

suite('16+4 on 24 servers, 4 of them spares', () => {
  const layout = { spares: 4, logs: 9 };

  // The file of the same name of S3 shows it in every run.
  if (isLong) {
    test('nobody notices four that freeze in turns', async () => {
      await using store = await LoadedStore.open('frozen', layout);
      await Promise.all([store.traffic.more(rounds), fleet.stall([1, 6, 11, 16], 500, 2)]);
      await store.assertUnharmed();
    });
  }

  test('nobody notices four whose values are wrong, and all are found and made again', async () => {
    const passes = { firstAuditMs: 1_000, auditPassMs: 1_000 };
    await using store = await LoadedStore.open('wrong', layout, passes);
    assert.ok((await fleet.corrupt('wrong', 0, 5, 10, 15)) > 0);
    await store.assertUnharmed();
    // Nobody reads any more.
    const isRight = async (): Promise<boolean> => (await fleet.wrongValuesLeft()) === 0;
    await waitFor(isRight, { what: 'right values', timeoutMs: 120_000, everyMs: 200 });
    await store.untilWhole();
  });

  test('nobody notices four that are wiped', async () => {
    await using store = await LoadedStore.open('wiped', layout);
    await fleet.wipe(3, 8, 13, 18);
    await store.assertUnharmed();
  });

  test('all shards are made again by themselves, and then four others may go', async () => {
    await using store = await LoadedStore.open('mended', layout);
    const [first, second] = [
      [0, 5, 10, 15],
      [1, 6, 11, 16],
    ];
    await fleet.kill(...first);
    await store.traffic.more(rounds);
    await store.untilWhole();
    await fleet.wipe(...first);
    await fleet.kill(...second);
    await store.traffic.more(rounds);
    await store.untilWhole();
    await fleet.restart(...second);
    await store.assertUnharmed();
  });

  test('nobody notices four that are killed, members of the log, and come back', async () => {
    await using store = await LoadedStore.open('log', layout);
    await fleet.kill(1, 2, 3, 4);
    await store.traffic.more(rounds);
    await fleet.restart(1, 2, 3, 4);
    await store.assertUnharmed();
  });

  // One turn of it stands in `stor.test.ts`.
  if (isLong) {
    test('nothing is lost or wrong when a majority of the log freezes again and again', async () => {
      await using store = await LoadedStore.open('majority', layout);
      const { stor, traffic } = store;
      for (let turn = 0; turn < 10; turn++) {
        const isLost = (): boolean => !isServing(stor);
        await fleet.whileStill([0, 1, 2, 3, 4], 4_000, () =>
          waitFor(isLost, { what: 'a record without majority', timeoutMs: 60_000, everyMs: 10 }),
        );
        await waitFor(() => isServing(stor), { what: 'a take-over', timeoutMs: 60_000 });
        await traffic.more(20);
      }
      traffic.failures.length = 0;
      await store.assertUnharmed();
    });
  }
});

suite('16+4 on 20 servers', () => {
  const layout = { servers: 20, logs: 9 };

  // As above.
  if (isLong) {
    test('writes go on with four killed', async () => {
      await using store = await LoadedStore.open('twenty', layout);
      await fleet.kill(0, 5, 10, 15);
      await store.traffic.more(rounds);
      await fleet.restart(0, 5, 10, 15);
      await store.assertUnharmed();
    });
  }

  test('with five killed large files wait for the first that comes back', async () => {
    await using store = await LoadedStore.open('five', layout);
    const { stor, traffic } = store;
    await traffic.stop();
    const large = Buffer.alloc(mebibyte, 1);
    const direct = trafficOf(stor);
    await direct.put('large', large);
    // The last shards come after the answer.
    await store.untilWhole();
    await fleet.kill(1, 6, 11, 16, 19);
    await assert.rejects(readAll(stor, 'large'), { code: 'ZSTOR_SHARDS_TOO_FEW' });
    await assert.rejects(stor.put('other', [large]), { code: 'ZSTOR_BACKENDS_TOO_FEW' });
    await direct.put('small', Buffer.from('small'));
    assert.equal(Buffer.concat((await readAll(stor, 'small')) ?? []).toString(), 'small');
    await fleet.restart(11);
    await waitFor(
      async () => {
        await stor.put('other', [large]).catch(() => undefined);
        return isServing(stor) && stor.list('other').length === 1;
      },
      { what: 'a write', timeoutMs: 60_000 },
    );
    for (const name of ['large', 'other']) {
      assert.ok(Buffer.concat((await readAll(stor, name)) ?? []).equals(large), name);
    }
    await traffic.readAll();
    assert.deepEqual([traffic.failures, traffic.wrong], [[], []]);
    await fleet.restart(1, 6, 16, 19);
  });
});

/** A store of its own on the servers of all, with readers and writers. */
class LoadedStore implements AsyncDisposable {
  readonly stor: Stor;
  readonly traffic: Traffic;

  constructor(stor: Stor, traffic: Traffic) {
    this.stor = stor;
    this.traffic = traffic;
  }

  static async open(name: string, layout: FleetLayout, care: CareTimes = {}): Promise<LoadedStore> {
    const stor = await openStor(name, await fleet.makeStore(name, layout), care);
    const traffic = new Traffic({ store: trafficOf(stor), seed: name, sizesBytes });
    traffic.start();
    await traffic.more(rounds);
    return new LoadedStore(stor, traffic);
  }

  /** Until each file has all shards, on backends that answer. */
  async untilWhole(): Promise<void> {
    const { stor } = this;
    const isWhole = async (name: string): Promise<boolean> => {
      try {
        const { shards, present } = await stor.check(name);
        return present === shards;
      } catch (error) {
        // Replaced meanwhile.
        if (isGridError(error, 'ZSTOR_FILE_UNKNOWN')) return true;
        if (isGridError(error) && error.retryable) return false;
        throw error;
      }
    };
    for (const { name } of await retry(async () => stor.list(), patience)) {
      const what = `all shards of ${name}`;
      await waitFor(() => isWhole(name), { what, timeoutMs: 60_000, everyMs: 200 });
    }
  }

  /** After more of it. */
  async assertUnharmed(): Promise<void> {
    await this.traffic.more(rounds);
    await this.traffic.stop();
    await this.traffic.readAll();
    assert.deepEqual([this.traffic.failures, this.traffic.wrong], [[], []]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.traffic.stop();
    await this.stor.close();
  }
}

function openStor(name: string, backendsFile: string, care: CareTimes): Promise<Stor> {
  return Stor.open({
    folder: join(fleet.folder, name),
    backendsFile,
    policy: sixteenPlusFour,
    canBegin: true,
    care: { lostAfterMs: 2_000, urgentAfterMs: 1_000, ...care },
  });
}

function isServing(stor: Stor): boolean {
  try {
    stor.list();
    return true;
  } catch (error) {
    if (isGridError(error, 'ZSTOR_CATALOG_NOT_SERVING')) return false;
    throw error;
  }
}

/** As a client does who tries again when he is told that it may help. */
function trafficOf(stor: Stor): TrafficStore {
  return {
    put: async (name, bytes) => {
      await retry(() => stor.put(name, [bytes], { sizeBytes: bytes.length }), patience);
    },
    get: async (name) => {
      const parts = await retry(() => readAll(stor, name), patience);
      return parts && Readable.from(parts);
    },
    remove: (name) =>
      retry(async (attempt) => {
        try {
          await stor.remove(name);
        } catch (error) {
          // The try before was one of which nobody knew whether it removed.
          if (attempt === 1 || !isGridError(error, 'ZSTOR_FILE_UNKNOWN')) throw error;
        }
      }, patience),
  };
}

async function readAll(stor: Stor, name: string): Promise<Buffer[] | undefined> {
  const parts: Buffer[] = [];
  try {
    for await (const bytes of stor.get(name)) parts.push(Buffer.from(bytes));
    return parts;
  } catch (error) {
    if (isGridError(error, 'ZSTOR_FILE_UNKNOWN')) return undefined;
    throw error;
  }
}
