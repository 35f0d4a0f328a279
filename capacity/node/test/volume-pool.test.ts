import { VolumePool } from '../src/volumes/volume-pool.ts';
import { testVolumes } from './support/volume-cases.ts';

const mib = 2 ** 20;

testVolumes({
  kind: 'btrfs',
  roomBytes: 208 * mib,
  ownBytes: 4 * mib,
  open: (folder) => VolumePool.open({ folder, sizeBytes: 256 * mib, prefix: 'cg' }),
});
