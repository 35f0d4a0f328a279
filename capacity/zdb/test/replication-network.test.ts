import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { isGridError, waitFor } from '@commongrid/base';
import { Cable, tempFolder } from '@commongrid/base/testing';
import type { RespClient } from '@commongrid/resp';
import { Store } from '../src/engine/store.ts';
import type { ZdbServerOptions } from '../src/index.ts';
import { PeerProcess } from './support/linked-peers.ts';
import { contentOf } from './support/replicated.ts';

const LEFT = { host: Cable.left, port: 9900 };
const RIGHT = { host: Cable.right, port: 9900 };
const SMALL = { segmentBytes: 1024 * 1024 };

interface Pair extends AsyncDisposable {
  readonly cable: Cable;
  readonly left: PeerProcess;
  readonly right: PeerProcess;
}

/** A master at the left end, a replica at the right end. */
async function openPair(leftOptions: Partial<ZdbServerOptions> = {}): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder('linked'));
  const cable = stack.use(await Cable.open());
  const left = new PeerProcess(`${folder.path}/left`, cable.at('left'), {
    listen: [LEFT],
    ...SMALL,
    ...leftOptions,
  });
  const right = new PeerProcess(`${folder.path}/right`, cable.at('right'), {
    listen: [RIGHT],
    ...SMALL,
  });
  stack.use(left);
  stack.use(right);
  await left.start();
  await right.start({ replicaOf: LEFT });
  const owned = stack.move();
  return { cable, left, right, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Writes until told to stop; notes what was acknowledged. */
class Load {
  readonly acknowledged = new Map<string, string>();
  refused = 0;
  #isOver = false;
  readonly #done: Promise<unknown>;

  constructor(client: RespClient) {
    this.#done = Promise.all(Array.from({ length: 8 }, (_, i) => this.#write(client, i)));
  }

  async #write(client: RespClient, worker: number): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const key = `key-${worker}-${i % 200}`;
      const value = `${i}-${'x'.repeat((i * 37) % 3000)}`;
      try {
        if (i % 11 === 10) {
          await client.command(['MSET', key, value, `${key}-twin`, value]);
          this.acknowledged.set(`${key}-twin`, value);
        } else {
          await client.command(['SET', key, value]);
        }
        this.acknowledged.set(key, value);
      } catch (error) {
        // The connection is gone, or too few replicas have it: whether it is there is not known.
        this.acknowledged.delete(key);
        this.acknowledged.delete(`${key}-twin`);
        this.refused++;
        if (!isGridError(error, 'RESP_REPLY_ERROR')) return;
      }
    }
  }

  async enough(count: number): Promise<void> {
    await waitFor(() => this.acknowledged.size >= count, { timeoutMs: 60_000, what: 'writes' });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }
}

async function check(client: RespClient, wanted: ReadonlyMap<string, string>): Promise<void> {
  const answers = [...wanted].map(async ([key, value]) => {
    const found = await client.command(['GET', key]);
    assert.equal(Buffer.isBuffer(found) ? found.toString() : found, value, key);
  });
  await Promise.all(answers);
}

/** Both are stopped; their folders must hold the same. */
async function compare(one: PeerProcess, other: PeerProcess): Promise<void> {
  await one.stop();
  await other.stop();
  const [a, b] = await Promise.all([one, other].map((peer) => content(peer.folder)));
  assert.deepEqual(a, b);
}

async function content(folder: string): Promise<Record<string, unknown>> {
  const store = await Store.open({ folder, isReadOnly: true });
  try {
    assert.deepEqual(store.recovery, []);
    return await contentOf(store);
  } finally {
    await store.close();
  }
}

test('replica and master that are killed under load lose nothing and come together', async () => {
  await using pair = await openPair();
  const { left, right } = pair;
  await left.client.command(['NSSET', 'default', 'history', 'all']);
  const load = new Load(left.client);
  await load.enough(200);
  await right.kill();
  await load.enough(600);
  await right.start({ replicaOf: LEFT });
  await load.enough(900);
  const { acknowledged } = load;
  await left.kill();
  await load.stop();
  await left.start();
  await check(left.client, acknowledged);
  await left.client.command(['NSNEW', 'after']);
  await left.client.command(['DEL', 'key-0-0']);
  await right.reach(left);
  await compare(left, right);
});

test('master behind a cut cable confirms nothing, is fenced, and gives up what nobody knows', async () => {
  await using pair = await openPair({ minReplicas: 1, minReplicasTimeoutMs: 300 });
  const { cable, left, right } = pair;
  await right.reach(left);
  const load = new Load(left.client);
  await load.enough(300);
  cable.cut();
  const before = load.refused;
  await waitFor(() => load.refused > before, { timeoutMs: 60_000, what: 'a refusal' });
  await load.stop();
  await right.client.command(['PROMOTE', 'TERM', '1']);
  await check(right.client, load.acknowledged);
  await right.client.command(['SET', 'new', 'here']);
  await assert.rejects(left.client.command(['SET', 'old', 'there']), /NotReplicated/);
  cable.mend();
  await waitFor(async () => (await left.info('fenced_by')) === 'term 1', {
    timeoutMs: 60_000,
    what: 'the old master to hear of its end',
  });
  await assert.rejects(left.client.command(['SET', 'old', 'there']), /READONLY/);
  await left.stop();
  await left.start({ replicaOf: RIGHT, minReplicas: 0 });
  await left.reach(right);
  const names = await readdir(left.folder);
  assert.ok(
    names.some((name) => name.startsWith('diverged-1')),
    names.join(' '),
  );
  assert.deepEqual(await left.client.command(['EXISTS', 'old']), 0);
  await compare(left, right);
});

test('replica behind a cut cable catches up when it is mended, through compaction', async () => {
  await using pair = await openPair();
  const { cable, left, right } = pair;
  await using third = new PeerProcess(`${right.folder}-3`, cable.at('right'), {
    listen: [{ host: Cable.right, port: 9901 }],
    ...SMALL,
  });
  await third.start({ replicaOf: RIGHT });
  const load = new Load(left.client);
  await load.enough(100);
  cable.cut();
  await load.enough(1200);
  await load.stop();
  await left.client.command(['COMPACT']);
  await left.client.command(['NSSET', 'default', 'history', 'all']);
  cable.mend();
  await right.reach(left);
  await third.reach(left);
  await check(right.client, load.acknowledged);
  await check(third.client, load.acknowledged);
});
