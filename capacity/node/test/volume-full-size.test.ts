import { FullSizeVolumes } from '../src/volumes/full-size-volumes.ts';
import { testVolumes } from './support/volume-cases.ts';

const mib = 2 ** 20;

testVolumes({
  kind: 'ext4',
  roomBytes: 208 * mib,
  ownBytes: 36 * mib,
  open: (folder) => FullSizeVolumes.open({ folder, sizeBytes: 256 * mib }),
});
