import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { askControl, waitFor } from '@commongrid/base';
import { controlPathOf } from '@commongrid/zstor';
import type { CareStatus } from '@commongrid/zstor';
import { Traffic, ZdbFleet } from '@commongrid/zstor/testing';
import type { FleetLayout } from '@commongrid/zstor/testing';

import { HeadProcess, sixteenPlusFour } from './support/head-process.ts';
import { sdkClient } from './support/sdk-client.ts';
import { sdkTraffic } from './support/sdk-traffic.ts';

const mebibyte = 2 ** 20;
/** Inline, copied, and in one and two chunks. */
const sizesBytes = [700, 40_000, mebibyte, 5 * mebibyte + 77];
/** Puts of all writers during one fault. */
const rounds = process.env['GRID_TEST_LONG'] === '1' ? 200 : 8;
/** What the client does unless it is told otherwise. */
const maxAttempts = 3;
/** On these are members of the log, copies of the keys of buckets, and shards, as on the next four. */
const [first, second] = [
  [0, 1, 2, 3],
  [4, 5, 6, 7],
] as const;

let fleet: ZdbFleet;
before(async () => {
  fleet = await ZdbFleet.open(24);
});
after(() => fleet[Symbol.asyncDispose]());

suite('a head over 24 servers with 16+4, 4 of them spares', () => {
  let loaded: LoadedHead;
  before(async () => {
    loaded = await LoadedHead.open('spares', { spares: 4, logs: 9 });
  });
  after(() => loaded[Symbol.asyncDispose]());

  test('clients notice nothing of four that freeze in turns', async () => {
    await Promise.all([loaded.traffic.more(rounds), fleet.stall([1, 6, 11, 16], 500, 2)]);
    loaded.assertUnharmed();
  });

  test('clients notice nothing of four that are killed, until all is made again', async () => {
    await fleet.kill(...first);
    await loaded.traffic.more(rounds);
    await loaded.untilWhole();
    loaded.assertUnharmed();
  });

  test('with those back and empty, clients notice nothing of four others', async () => {
    await fleet.wipe(...first);
    await loaded.traffic.more(rounds);
    await untilFilled('spares', first, second);
    await loaded.untilLogInStep();
    await fleet.kill(...second);
    await loaded.traffic.more(rounds);
    await loaded.untilWhole();
    await fleet.restart(...second);
    loaded.assertUnharmed();
  });

  test('clients notice nothing of four whose values are wrong', async () => {
    // The first eight were emptied or away, and may have nothing yet.
    assert.ok((await fleet.corrupt('spares', 9, 12, 17, 20)) > 0);
    await loaded.traffic.more(rounds);
    await loaded.traffic.stop();
    await loaded.traffic.readAll();
    loaded.assertUnharmed();
  });
});

suite('a head over 20 servers with 16+4', () => {
  let loaded: LoadedHead;
  before(async () => {
    loaded = await LoadedHead.open('twenty', { servers: 20, logs: 9 });
  });
  after(() => loaded[Symbol.asyncDispose]());

  test('writes go on without four members of the log', async () => {
    await fleet.kill(1, 2, 3, 4);
    await loaded.traffic.more(rounds);
    await fleet.restart(1, 2, 3, 4);
    await loaded.traffic.stop();
    await loaded.traffic.readAll();
    loaded.assertUnharmed();
  });

  test('without five servers errors have names, and all is back with one of them', async () => {
    const [Bucket, Body] = ['twenty', Buffer.alloc(mebibyte, 'large')];
    const client = sdkClient({ port: loaded.head.port });
    const put = (Key: string): Promise<unknown> =>
      client.send(new PutObjectCommand({ Bucket, Key, Body }));
    const get = async (Key: string): Promise<Buffer> => {
      const { Body: body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      return Buffer.from((await body?.transformToByteArray()) ?? []);
    };
    // One shard on each: those that were killed before are in use again.
    await loaded.untilAllGood();
    await put('large');
    // The last shards come after the answer.
    await loaded.untilWhole();
    await loaded.traffic.stop();
    await fleet.kill(1, 6, 11, 16, 19);
    await assert.rejects(get('large'), named('ObjectUnavailable'));
    await assert.rejects(put('other'), named('BackendsUnavailable'));
    // In the tables, and as copies on m + 1 nodes.
    for (const sizeBytes of [700, 40_000]) {
      const small = Buffer.alloc(sizeBytes, 'small');
      await client.send(new PutObjectCommand({ Bucket, Key: 'small', Body: small }));
      assert.ok((await get('small')).equals(small));
    }
    await fleet.restart(11);
    const what = 'a write';
    await waitFor(() => put('other').then(isDone, isNot), { what, timeoutMs: 60_000 });
    for (const key of ['large', 'other']) assert.ok((await get(key)).equals(Body), key);
    await fleet.restart(1, 6, 16, 19);
    client.destroy();
  });
});

/** Until servers that were emptied have as much as others of the log, and of the keys of buckets. */
async function untilFilled(
  store: string,
  emptied: readonly number[],
  others: readonly number[],
): Promise<void> {
  for (const kind of ['log', 'keys'] as const) {
    const countsOf = (places: readonly number[]): Promise<number[]> =>
      Promise.all(places.map((at) => fleet.keyCount(store, at, kind)));
    const [expected = 0] = await countsOf(others);
    const isFilled = async (): Promise<boolean> =>
      (await countsOf(emptied)).every((count) => count >= expected);
    await waitFor(isFilled, { what: `${store}-${kind}`, timeoutMs: 120_000, everyMs: 200 });
  }
}

const isDone = (): boolean => true;
const isNot = (): boolean => false;

function named(name: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof S3ServiceException, String(error));
    assert.equal(error.name, name);
    return true;
  };
}

/** A head with readers and writers, on servers that all share. */
class LoadedHead implements AsyncDisposable {
  readonly head: HeadProcess;
  readonly traffic: Traffic;
  readonly #folder: string;
  readonly #client: S3Client;

  private constructor(head: HeadProcess, folder: string, client: S3Client, traffic: Traffic) {
    this.head = head;
    this.#folder = folder;
    this.#client = client;
    this.traffic = traffic;
  }

  static async open(name: string, layout: FleetLayout): Promise<LoadedHead> {
    const folder = join(fleet.folder, `${name}-head`);
    const head = await HeadProcess.open({
      ...{ folder, keyFile: join(fleet.folder, `${name}-key`), policy: sixteenPlusFour },
      backendsFile: await fleet.makeStore(name, layout),
      care: { lostAfterMs: 2_000, urgentAfterMs: 1_000 },
    });
    const client = sdkClient({ port: head.port, maxAttempts });
    await client.send(new CreateBucketCommand({ Bucket: name }));
    const traffic = new Traffic({ store: sdkTraffic(client, name), seed: name, sizesBytes });
    traffic.start();
    await traffic.more(rounds);
    return new LoadedHead(head, folder, client, traffic);
  }

  /**
   * Until no chunk lacks a shard or has one on a server that is dead, though nobody asks for it. New
   * chunks always lack some: nothing is written meanwhile.
   */
  async untilWhole(): Promise<void> {
    await this.traffic.stop();
    let status: CareStatus | undefined;
    const isWhole = async (): Promise<boolean> => {
      status = (await askControl(controlPathOf(this.#folder), 'status')) as CareStatus;
      const isUsed = status.backends.every(
        ({ class: is, shards }) => is === 'good' || shards === 0,
      );
      return isUsed && status.chunks > 0 && status.needyChunks === 0 && status.pending === 0;
    };
    try {
      await waitFor(isWhole, { what: 'all shards', timeoutMs: 120_000, everyMs: 200 });
    } catch (error) {
      throw new Error(`not whole: ${JSON.stringify(status)}`, { cause: error });
    } finally {
      this.traffic.start();
    }
  }

  /** A member that has all records counts once the log says that it belongs to it. */
  async untilLogInStep(): Promise<void> {
    const isInStep = async (): Promise<boolean> => {
      const status = (await askControl(controlPathOf(this.#folder), 'status')) as CareStatus;
      return status.log.members > 0 && status.log.inStep === status.log.members;
    };
    await waitFor(isInStep, { what: 'the log', timeoutMs: 120_000, everyMs: 200 });
  }

  async untilAllGood(): Promise<void> {
    const areGood = async (): Promise<boolean> => {
      const status = (await askControl(controlPathOf(this.#folder), 'status')) as CareStatus;
      return status.backends.every(({ class: is }) => is === 'good');
    };
    await waitFor(areGood, { what: 'all servers', timeoutMs: 120_000, everyMs: 200 });
  }

  assertUnharmed(): void {
    assert.deepEqual([this.traffic.failures, this.traffic.wrong], [[], []]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.traffic.stop();
    this.#client.destroy();
    await this.head[Symbol.asyncDispose]();
  }
}
