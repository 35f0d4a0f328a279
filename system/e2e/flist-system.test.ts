import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

import { Flists } from './flist-process.ts';
import type { Made } from './flist-process.ts';
import { run, tempFolder } from './grid-process.ts';

interface Inspected {
  readonly config: { readonly entrypoint: readonly string[] };
}

/** In namespaces of its own, with the folders that a container gets. */
const script = 'mount --rbind /dev "$1/dev"; mount -t proc proc "$1/proc"; exec chroot "$@"';
const contained = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-euc', script, 'sh'];

test('the image of the grid itself is always the same, and its Zero-DB runs from it', async () => {
  await using folder = await tempFolder();
  const flists = new Flists(folder.path);
  const { digest } = await flists.json<Made>('create', '--system');
  assert.equal((await flists.json<Made>('create', '--system')).digest, digest);
  const { digests } = await flists.json<{ readonly digests: readonly string[] }>('list');
  assert.deepEqual(digests, [digest]);
  const { config } = await flists.json<Inspected>('inspect', digest);
  const target = join(folder.path, 'mounted');
  await flists.json('mount', digest, target, '--writable', join(folder.path, 'written'));
  try {
    const [node = ''] = config.entrypoint;
    const version = await run('chroot', [target, node, '--version']);
    assert.equal(version.stdout.trim(), process.version, version.stderr);
    const words = ['zdb', 'serve', '--data', '/var/lib/grid/zdb', '--listen', '127.0.0.1:0'];
    assert.match(
      await answerOf(target, [...config.entrypoint, ...words, '--json']),
      /^\+PONG\r\n$/,
    );
  } finally {
    const unmounted = await flists.run('umount', target);
    assert.equal(unmounted.status, 0, unmounted.stderr);
  }
});

/** Starts a Zero-DB in an image, and ends it when it has answered a PING. */
async function answerOf(target: string, words: readonly string[]): Promise<string> {
  const child = spawn('unshare', [...contained, target, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
      const socket = connect(port, '127.0.0.1');
      socket.end('PING\r\n');
      return await text(socket);
    }
    throw new Error('the Zero-DB ended before it listened');
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
