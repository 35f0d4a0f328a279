import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { tempFolder } from '@commongrid/base/testing';

import type { ChunkHash } from '../src/ports.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';

/** Fills a repository until it has said something so often. @returns what it promised to keep */
async function fillAndKill(folder: string, linesMax: number): Promise<ChunkHash[]> {
  const script = join(import.meta.dirname, 'repository-crash-child.ts');
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  const kept: ChunkHash[] = [];
  let lines = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, ...hashes] = line.split(' ');
    if (word === 'kept') kept.push(...(hashes as ChunkHash[]));
    if (++lines >= linesMax) child.kill('SIGKILL');
  }
  assert.deepEqual(await closed, [null, 'SIGKILL']);
  return kept;
}

test('a repository whose process was killed has what it promised, and whole chunks only', async () => {
  await using folder = await tempFolder('flist');
  const kept: ChunkHash[] = [];
  // Killed while chunks are given their names: the first ones, and some beside those of before.
  for (const linesMax of [1, 3]) {
    kept.push(...(await fillAndKill(folder.path, linesMax)));
  }
  await using repository = await FlistRepository.open({ folder: folder.path });
  assert.deepEqual(await readdir(join(folder.path, 'temp')), []);
  assert.ok(kept.length >= 400);
  assert.equal((await repository.hasChunks(kept)).size, kept.length);
  const { badChunks, checkedChunks } = await repository.scrub();
  assert.deepEqual(badChunks, []);
  assert.ok(checkedChunks >= kept.length);
});
