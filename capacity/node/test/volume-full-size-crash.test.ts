import { FullSizeVolumes } from '../src/volumes/full-size-volumes.ts';
import { testCrashes } from './support/volume-crashes.ts';

const sizeBytes = 256 * 2 ** 20;

testCrashes('ext4', (folder) => FullSizeVolumes.open({ folder, sizeBytes }));
