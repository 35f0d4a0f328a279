import type { Environment } from '../environment.ts';

/**
 * Where backups lie: named objects, in a folder or in a bucket of S3. An object is there whole or not at all, and
 * is never changed but for the one that `replace` writes.
 */
export interface BackupPlace {
  /** As people call it. */
  readonly name: string;
  /**
   * @param bytesMax more is not read
   * @returns undefined where there is none
   * @throws GRID_BACKUP_PLACE_FAILED, GRID_BACKUP_DAMAGED for one that is longer
   */
  get(name: string, bytesMax: number): Promise<Uint8Array | undefined>;
  /** Writes an object, over one of that name too. @throws GRID_BACKUP_PLACE_FAILED */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Takes an object away; nothing where there is none. @throws GRID_BACKUP_PLACE_FAILED */
  remove(name: string): Promise<void>;
  /** Whether it is in a folder of this machine, which has to be there, and goes with it. */
  isWithin(folder: string): Promise<boolean>;
  /** Names right below a folder, without it; of the place itself for ''. @throws GRID_BACKUP_PLACE_FAILED */
  list(folder: string): Promise<readonly string[]>;
}

/**
 * @param target a folder, or `s3://bucket/prefix`
 * @throws GRID_USAGE where S3 is meant and nothing says which
 */
export async function openBackupPlace(
  target: string,
  environment: Environment,
): Promise<BackupPlace> {
  if (!target.startsWith('s3://')) {
    const { FolderPlace } = await import('./folder-place.ts');
    return new FolderPlace(target);
  }
  const { openS3Place } = await import('./s3-place.ts');
  return openS3Place(target, environment.s3);
}
