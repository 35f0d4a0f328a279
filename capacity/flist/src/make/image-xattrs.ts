import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { isImageXattr } from '../tree/check-inode.ts';
import type { Xattr } from '../tree/inode.ts';
import type { MakeLog } from './make-log.ts';

/** With these somebody could tell overlayfs or a trusted program what only we may tell it. */
const refusedPrefixes = ['trusted.', 'user.overlay.', 'system.overlay.'];

/**
 * Those attributes of a file that images carry. Others, such as labels of SELinux, belong to the
 * machine that the file came from: they are left out with a note.
 * @throws FLIST_XATTR_FORBIDDEN for those that are an attack wherever they come from
 */
export function imageXattrsOf(
  xattrs: readonly Xattr[],
  path: ByteText,
  log: MakeLog,
): readonly Xattr[] {
  if (xattrs.length === 0) return xattrs;
  return xattrs.filter(({ name }) => {
    if (refusedPrefixes.some((prefix) => name.startsWith(prefix))) throw forbidden(path, name);
    const isKept = isImageXattr(name);
    if (!isKept) log.leftOutXattr(path, name);
    return isKept;
  });
}

function forbidden(path: ByteText, name: ByteText): GridError<FlistErrorCode> {
  const shown = { path: shownText(path), name: shownText(name) };
  return new GridError(
    'FLIST_XATTR_FORBIDDEN',
    `${shown.path} has the attribute ${shown.name}, which no image may have`,
    { hint: 'make the image again without it', details: shown },
  );
}
