import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';

import type { ChunkHash } from '../src/ports.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';

/** Chunks that are promised together: some of them were synced behind by then. */
const promisedChunks = 400;

const [folder = ''] = process.argv.slice(2);
const repository = await FlistRepository.open({ folder });
for (;;) {
  const put: Promise<ChunkHash>[] = [];
  for (let chunk = 0; chunk < promisedChunks; chunk++) {
    put.push(repository.put(randomBytes(chunk % 50 === 0 ? 100_000 : 200)));
  }
  const hashes = await Promise.all(put);
  writeSync(1, 'put\n');
  await repository.keepChunks(new Set(hashes));
  writeSync(1, `kept ${hashes.join(' ')}\n`);
}
