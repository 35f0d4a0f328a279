import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempFolder } from '@commongrid/base/testing';
import { BackendPool } from '../src/backends/backend-pool.ts';
import type { BackendSpec } from '../src/backends/backends-file.ts';
import { BlobReader } from '../src/blob/blob-reader.ts';
import { BlobWriter } from '../src/blob/blob-writer.ts';
import { ChunkIds } from '../src/blob/chunk-ids.ts';
import { openStreamBudget } from '../src/blob/stream-budget.ts';
import type { StoredBlob } from '../src/blob/written-blob.ts';
import { MemoryLocations } from '../src/testing/memory-locations.ts';
import { CodingThreads } from '../src/threads/coding-threads.ts';
import { fourPlusTwo, mebibyte, randomBytesOf, randomPieces } from './support/cluster.ts';
import { ZdbProcess } from './support/zdb-process.ts';

const size = 5 * mebibyte;

test('a backend killed and one stopped in mid-stream fail no read and no write', async () => {
  await using folder = await tempFolder('zstor');
  await using stack = new AsyncDisposableStack();
  const servers = await Promise.all(
    Array.from({ length: 6 }, async (_, at) => {
      return stack.use(await ZdbProcess.open(join(folder.path, String(at)), ['shards']));
    }),
  );
  const specs = servers.map(({ port }, at): BackendSpec => {
    const place = { node: `node-${at}`, farm: `farm-${at}`, country: 'BE' };
    const address = { host: '127.0.0.1', port, namespace: 'shards' };
    return {
      ...{ ...place, ...address, isSpare: false },
      ...{ password: undefined, tlsFingerprint: undefined },
    };
  });
  const numberOf = ({ port }: BackendSpec): number => specs.findIndex((s) => s.port === port) + 1;
  const backends = stack.use(await BackendPool.open(specs, { numberOf, commandTimeoutMs: 1_000 }));
  const threads = stack.use(CodingThreads.open({ count: 1 }));
  const locations = new MemoryLocations();
  const common = { backends, threads, budget: openStreamBudget(), locations };
  const writer = stack.use(new BlobWriter({ ...common, ids: new ChunkIds(() => 1) }));
  const reader = new BlobReader(common);

  const put = async (seed: string, between?: () => void): Promise<[string, StoredBlob]> => {
    function* pieces(): Generator<Buffer> {
      let sent = 0;
      for (const piece of randomPieces(size, seed)) {
        if (sent < 4 * mebibyte && sent + piece.length >= 4 * mebibyte) between?.();
        sent += piece.length;
        yield piece;
      }
    }
    const blob = await writer.write(pieces(), { policy: fourPlusTwo });
    await blob.commit(locations.register);
    return [seed, blob];
  };
  const assertReads = async ([seed, blob]: [string, StoredBlob]): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const bytes of reader.read(blob)) parts.push(Buffer.from(bytes));
    assert.equal(Buffer.compare(Buffer.concat(parts), randomBytesOf(size, seed)), 0, seed);
  };

  const first = await put('first');
  const second = await put('second', () => {
    servers[1]?.signal('SIGKILL');
    servers[4]?.signal('SIGSTOP');
  });
  await Promise.all([first, second, first].map(assertReads));
  const third = await put('third');
  await assertReads(third);
  servers[4]?.signal('SIGCONT');
  await servers[1]?.restart();
  await writer.idle();
  await Promise.all([first, second, third].map(assertReads));
});
