import type { ByteText } from '../tree/byte-text.ts';
import type { Xattr } from '../tree/inode.ts';

export type TarKind =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'hard-link'
  | 'character-device'
  | 'block-device'
  | 'fifo';

/** What a tar says of one name, whatever the headers that it was spread over. */
export interface TarEntry {
  readonly kind: TarKind;
  /** As it stands in the tar: it may begin with `./` or `/`, end with `/`, or have `..` in it. */
  readonly path: ByteText;
  /** Permissions with setuid, setgid and sticky: 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  /** In the order in which they stand there. */
  readonly xattrs: readonly Xattr[];
  /** Of the content that follows; zero for all but files. */
  readonly sizeBytes: number;
  /** Target of a symlink, or the path of the first name of a hard link; else empty. */
  readonly linkTarget: ByteText;
  /** Numbers of a device; else zero. */
  readonly major: number;
  readonly minor: number;
}

/** A tar is made of these. */
export const tarBlockBytes = 512;

/** Zeros that fill the last block of a content. */
export function paddingOf(sizeBytes: number): number {
  return (tarBlockBytes - (sizeBytes % tarBlockBytes)) % tarBlockBytes;
}
