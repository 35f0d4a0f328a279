import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { hasCode, tempFolder } from '@commongrid/base/testing';

import { HubClient } from '../src/hub/hub-client.ts';
import type { TransferProgress } from '../src/hub/transfer-image.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { alice, keepImage } from './hub-harness.ts';
import { imageOf } from './store-images.ts';

const program = fileURLToPath(new URL('hub-server-program.ts', import.meta.url));

interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly url: string;
}

/** A hub in a process of its own, which is killed at the latest when the test ends. */
async function runHub(folder: string): Promise<Running> {
  const child = spawn(process.execPath, [program, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  try {
    const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return { child, url, [Symbol.asyncDispose]: kill };
  } catch (error) {
    await kill();
    throw error;
  }
}

test('a hub killed in mid upload keeps what it acknowledged, nothing half, and takes the rest', async () => {
  await using folder = await tempFolder('hub');
  const hubFolder = join(folder.path, 'hub');
  await using maker = await FlistRepository.open({ folder: join(folder.path, 'maker') });
  const first = await keepImage(maker, imageOf({ first: randomBytes(600_000) }));
  const image = imageOf({ a: randomBytes(9 << 20) });
  const others = [imageOf({ b: randomBytes(9 << 20) }), imageOf({ c: randomBytes(9 << 20) })];
  const uploads = [];
  for (const one of [image, ...others]) {
    uploads.push({ image: one, digest: await keepImage(maker, one), doneChunks: 0 });
  }
  {
    await using hub = await runHub(hubFolder);
    const client = new HubClient({ url: hub.url, key: alice, triesMax: 1 });
    await client.upload(first, maker);
    await client.name('alice/first', first);
    const broken = uploads.map((upload) => {
      const onProgress = ({ doneChunks }: TransferProgress): void => {
        upload.doneChunks = doneChunks;
        // The others' chunks are on their way at this time.
        if (doneChunks > 0) hub.child.kill('SIGKILL');
      };
      const uploading = client.upload(upload.digest, maker, { onProgress });
      return assert.rejects(uploading, hasCode('HUB_UNREACHABLE'));
    });
    await Promise.all(broken);
  }
  assert.ok(uploads.some(({ doneChunks }) => doneChunks > 0));

  const images = join(hubFolder, 'images');
  {
    await using reopened = await FlistRepository.open({ folder: images });
    assert.deepEqual((await reopened.scrub()).badChunks, []);
    assert.deepEqual(await Array.fromAsync(reopened.listFlists()), [first]);
    for (const { image: one, doneChunks } of uploads) {
      assert.ok((await reopened.hasChunks(one.hashes)).size >= doneChunks);
    }
  }

  await using hub = await runHub(hubFolder);
  const client = new HubClient({ url: hub.url, key: alice });
  assert.equal((await client.resolve('alice/first')).digest, first);
  const results = [];
  for (const upload of uploads) results.push(await client.upload(upload.digest, maker));
  assert.ok(results.some(({ movedBytes }) => movedBytes < 9 << 20));
  const { digest } = uploads[0] ?? assert.fail();
  await client.name('alice/image', digest);
  await using other = await FlistRepository.open({ folder: join(folder.path, 'other') });
  await client.download((await client.resolve('alice/image')).digest, other);
  assert.equal((await other.hasChunks(image.hashes)).size, image.chunks.length);
});
