import { chmod, chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { GridError, readTextIfThere, writeFileAtomic } from '@commongrid/base';

import { shiftedId } from '../erofs/shift-ids.ts';
import type { IdShift } from '../erofs/shift-ids.ts';
import type { FlistErrorCode } from '../errors.ts';
import type { FlistDigest } from '../format/flist.ts';
import type { Directory } from '../tree/inode.ts';

/** What is written over an image: folders of overlayfs, in one of the caller's, on its own disk. */
export interface WritableFolders {
  readonly upperFolder: string;
  readonly workFolder: string;
}

/**
 * Makes or takes up `upper` and `work` in a folder. What is written over one image makes no sense
 * over another one, so `image.json` says over which it was begun.
 * @throws FLIST_WRITABLE_MISMATCH
 */
export async function takeWritableFolder(
  folder: string,
  image: { readonly digest: FlistDigest; readonly root: Directory; readonly shift: IdShift },
): Promise<WritableFolders> {
  const { digest, root, shift } = image;
  const folders = { upperFolder: join(folder, 'upper'), workFolder: join(folder, 'work') };
  const owner = { digest, uidShift: shift.uidShift, gidShift: shift.gidShift };
  const mark = `${JSON.stringify(owner)}\n`;
  const markPath = join(folder, 'image.json');
  const found = await readTextIfThere(markPath);
  if (found !== undefined && found !== mark) throw mismatch(folder, found, digest);
  await mkdir(folders.workFolder, { recursive: true });
  if (found !== undefined) return folders;
  // The root of the image is seen as this folder is.
  await mkdir(folders.upperFolder, { recursive: true });
  const [uid, gid] = [shiftedId(root.uid, shift.uidShift), shiftedId(root.gid, shift.gidShift)];
  await chown(folders.upperFolder, uid, gid);
  await chmod(folders.upperFolder, root.mode);
  await writeFileAtomic(markPath, mark);
  return folders;
}

function mismatch(folder: string, found: string, digest: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_WRITABLE_MISMATCH', `${folder} was begun over another image`, {
    hint: 'mount that image, with the same shift, or give an empty folder',
    details: { folder, begunOver: found.trim(), digest },
  });
}
