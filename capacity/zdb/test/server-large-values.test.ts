import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { largeMemory, seededRandom } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { RespClient } from '@commongrid/resp';
import { ZdbServer } from '../src/index.ts';

const KIB = 1024;
const SIZES = [20, 40, 64, 128, 256, 257, 300, 1024, 1025].map((kib) => kib * KIB + 13);
const KEYS = 24;
const ROUNDS = 12;

/** A value of its own for each key and round, long enough to be moved without a copy. */
function valueOf(key: number, round: number): Buffer {
  const size = SIZES[(key * 7 + round * 3) % SIZES.length] ?? 0;
  return Buffer.alloc(size, `${key}:${round};`);
}

test('server keeps large values apart whose memory is used again and again', async () => {
  await using temp = await tempFolder('zdb-large');
  await using server = await ZdbServer.open({
    dataDir: `${temp.path}/data`,
    listen: [{ host: '127.0.0.1', port: 0 }],
  });
  const port = server.addresses[0]?.port ?? 0;
  await using clients = new AsyncDisposableStack();
  const peers: RespClient[] = [];
  for (let i = 0; i < 4; i++) peers.push(clients.use(await RespClient.connect({ port })));
  const random = seededRandom(7);
  const last = new Array<number>(KEYS).fill(-1);

  // Each key belongs to one peer, whose commands on it stay in order.
  const work = async (peer: RespClient, key: number): Promise<void> => {
    const name = `key${key}`;
    for (let round = 0; round < ROUNDS; round++) {
      const value = valueOf(key, round);
      const written = peer.command(['SET', name, value]);
      const [read, range] = await Promise.all([
        peer.command(['GET', name]),
        peer.command(['GETRANGE', name, 5, random.int(5, value.length)]),
        written,
      ]);
      assert.ok(value.equals(read as Buffer), `${name} after round ${round}`);
      assert.ok((range as Buffer).equals(value.subarray(5, 5 + (range as Buffer).length)));
      last[key] = round;
    }
  };
  await Promise.all(
    Array.from({ length: KEYS }, (_, key) => work(peers[key % 4] as RespClient, key)),
  );

  // A peer that asks and leaves: what was on its way to it is nobody else's yet.
  const leaver = connect({ host: '127.0.0.1', port });
  leaver.on('error', () => {});
  await once(leaver, 'connect');
  leaver.write('*2\r\n$3\r\nGET\r\n$4\r\nkey1\r\n'.repeat(40));
  await once(leaver, 'readable');
  leaver.destroy();

  const all = Array.from({ length: KEYS }, (_, key) => valueOf(key, last[key] ?? 0));
  const [first] = peers as [RespClient];
  for (let pass = 0; pass < 3; pass++) {
    const replies = await Promise.all(all.map((_, key) => first.command(['GET', `key${key}`])));
    for (const [key, value] of all.entries()) assert.ok(value.equals(replies[key] as Buffer));
    const many = await first.command(['MGET', ...all.map((_, key) => `key${key}`)]);
    assert.deepEqual(many, all);
  }
  assert.ok(largeMemory.keptBytes > 0);
});
