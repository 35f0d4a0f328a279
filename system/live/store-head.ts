import { randomFillSync } from 'node:crypto';
import { Stor } from '@commongrid/zstor';

/**
 * The head of a store in a process of its own, `BACKENDS DATA K M CHUNK FILES BYTES`: puts so many files of so many
 * random bytes, says so, and serves until its input ends.
 */
const [backendsFile = '', folder = '', ...numbers] = process.argv.slice(2);
const [dataShards = 0, parityShards = 0, chunkSizeBytes = 0, files = 0, bytes = 0] =
  numbers.map(Number);
const policy = { dataShards, parityShards, chunkSizeBytes, compression: 'none' } as const;
const stor = await Stor.open({ folder, backendsFile, policy, canBegin: true });
for (let n = 0; n < files; n++) await stor.put(`file-${n}`, [randomFillSync(Buffer.alloc(bytes))]);
process.stdout.write('filled\n');
process.stdin.resume().once('end', () => void stor.close().then(() => process.exit()));
