import { join } from 'node:path';

import { Rclone } from '../data/rclone.ts';
import type { S3Access } from '../data/rclone.ts';
import type { DemoTown } from '../demo-town.ts';
import { contractOf } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { doorOf } from './doors.ts';

/** The bucket of the archive. */
export const bucket = 'archive';

/** What of the demo is data, and clients of S3. */
export function dataFolder({ grid }: DemoTown): string {
  return join(grid.home, 'demo-data');
}

/** The one address at which clients find whichever head serves. */
export async function storeEndpoint(scene: ArchiveScene): Promise<string> {
  return `http://${await doorOf(scene.town, contractOf(scene).id, 'heads')}`;
}

/** What clients have to know. */
export async function storeAccess(scene: ArchiveScene): Promise<S3Access> {
  const { town, secrets } = scene;
  return {
    ...{ endpoint: await storeEndpoint(scene), bucket, signal: town.signal },
    ...{ accessKey: secrets.accessKey, secretKey: secrets.secretKey },
    home: join(dataFolder(town), 'client'),
  };
}

/** A client at that door, with the key of the administrator. */
export async function openClient(scene: ArchiveScene): Promise<Rclone> {
  return Rclone.open(await storeAccess(scene));
}
