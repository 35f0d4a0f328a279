import type { ByteText } from './byte-text.ts';

/** Bytes of the plaintext of one file that a chunk has; the last one of a file may have fewer. */
export const chunkBytes = 512 * 1024;

/** Bytes of a SHA-256. */
export const hashBytes = 32;

/** An extended attribute: `user.*`, `security.capability` or a POSIX ACL. */
export interface Xattr {
  readonly name: ByteText;
  readonly value: Uint8Array;
}

/** What every inode has. */
export interface InodeBase {
  /** Permissions with setuid, setgid and sticky: 12 bits. */
  readonly mode: number;
  /** 0 to 65,535. */
  readonly uid: number;
  /** 0 to 65,535. */
  readonly gid: number;
  /** Time of the last change of its content, nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  /** By name, each once. */
  readonly xattrs: readonly Xattr[];
}

/** A file with content, which is kept as chunks elsewhere. */
export interface RegularFile extends InodeBase {
  readonly kind: 'file';
  readonly sizeBytes: number;
  /** SHA-256 of each chunk, 32 bytes each, one behind the other. */
  readonly chunkHashes: Uint8Array;
}

export interface Directory extends InodeBase {
  readonly kind: 'directory';
  /** By name, in the order of its bytes. A directory is in one other directory only. */
  readonly entries: ReadonlyMap<ByteText, Inode>;
}

export interface Symlink extends InodeBase {
  readonly kind: 'symlink';
  readonly target: ByteText;
}

export interface Device extends InodeBase {
  readonly kind: 'character-device' | 'block-device';
  readonly major: number;
  readonly minor: number;
}

export interface Fifo extends InodeBase {
  readonly kind: 'fifo';
}

/** The same object under several names is one file with several hard links. */
export type Inode = RegularFile | Directory | Symlink | Device | Fifo;
