import { readFile, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';

import { FullSizeVolumes } from '../../src/volumes/full-size-volumes.ts';
import { VolumePool } from '../../src/volumes/volume-pool.ts';
import { MemoryBackups } from './memory-backups.ts';

/**
 * What a node does with volumes, from an empty folder on: `KIND FOLDER BACKUP`. Begun again after a
 * kill it does the same again.
 */
const [kind, folder = '', backupPath = ''] = process.argv.slice(2);
const mib = 2 ** 20;
const [a, b, c] = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccc'];
const ownerUid = 1_000_000;
const options = { folder, sizeBytes: 256 * mib, prefix: 'cg' };
await using volumes = await (kind === 'btrfs'
  ? VolumePool.open(options)
  : FullSizeVolumes.open(options));
const target = new MemoryBackups();
target.get = async () => Readable.from([await readFile(backupPath)]);
const { signal } = new AbortController();

await volumes.create(a, { sizeBytes: 16 * mib, ownerUid });
await writeFile(`${await volumes.pathOf(a)}/file`, 'kept');
await volumes.snapshot(a, 'kept');
const isNew = !(await volumes.list()).includes(b);
if (isNew) await volumes.create(b, { sizeBytes: 20 * mib, ownerUid, cloneOf: a });
await volumes.grow(b, 24 * mib);
await volumes.createUpper(c, 16 * mib);
await volumes.restore(b, { target, name: 'x', ownerUid, signal });
await volumes.create(c, { sizeBytes: 16 * mib, ownerUid });
await volumes.snapshot(c, 'gone');
await volumes.dropSnapshot(c, 'gone');
await volumes.snapshot(c, 'gone');
await volumes.remove(c);
await volumes.removeUpper(c);
