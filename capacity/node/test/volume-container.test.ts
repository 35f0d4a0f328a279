import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';

import { VolumePool } from '../src/volumes/volume-pool.ts';
import { containerBed, uidStart } from './support/container-bed.ts';
import { poolFolder } from './support/pool-folder.ts';

const mib = 2 ** 20;
const id = 'aaaaaaaaaaaa';

/** Programs of this machine: a root of busybox has none of btrfs. */
const programs = ['/usr', '/usr/lib', '/usr/lib64'].map((source) => ({
  source,
  target: source === '/usr' ? source : source.slice('/usr'.length),
  isReadOnly: true,
}));

test('a container cannot get around the limit of its volume', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await poolFolder(stack);
  const options = { folder, sizeBytes: 256 * mib, prefix: 'cg' };
  const volumes = stack.use(await VolumePool.open(options));
  await volumes.create(id, { sizeBytes: 32 * mib, ownerUid: uidStart });
  const source = await volumes.pathOf(id);
  const bed = stack.use(await containerBed());
  const mounts = [...programs, { source, target: '/volume', isReadOnly: false }];
  const lines = [
    'mkdir /volume/own',
    '/usr/bin/btrfs subvolume create /volume/own/more 2>&1',
    '/usr/bin/btrfs subvolume snapshot /volume /volume/own/copy 2>&1',
    'dd if=/dev/zero of=/volume/file bs=1M count=40 2>&1',
    'rm /volume/file && cp /bin/busybox /volume/a',
    '/usr/bin/cp --reflink=always /volume/a /volume/b && echo cloned',
  ];
  const { output } = await bed.run(lines.join('\n'), { mounts });
  assert.match(output, /cannot create subvolume: Function not implemented/);
  assert.match(output, /cannot snapshot '.volume': Function not implemented/);
  assert.match(output, /Disk quota exceeded/);
  assert.match(output, /cloned$/);
  assert.deepEqual(await readdir(`${source}/own`), []);
});
