import { VolumePool } from '../src/volumes/volume-pool.ts';
import { testCrashes } from './support/volume-crashes.ts';

const sizeBytes = 256 * 2 ** 20;

testCrashes('btrfs', (folder) => VolumePool.open({ folder, sizeBytes, prefix: 'cg' }));
