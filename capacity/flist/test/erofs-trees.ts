import { createHash } from 'node:crypto';

import { byteTextFrom } from '../src/tree/byte-text.ts';
import type { ByteText } from '../src/tree/byte-text.ts';
import { chunkBytes, hashBytes } from '../src/tree/inode.ts';
import type {
  Directory,
  Inode,
  InodeBase,
  RegularFile,
  Symlink,
  Xattr,
} from '../src/tree/inode.ts';

const plain: InodeBase = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };

export function directoryOf(
  entries: Readonly<Record<string, Inode>> | readonly (readonly [ByteText, Inode])[],
  base: Partial<InodeBase> = {},
): Directory {
  const pairs = Array.isArray(entries)
    ? entries
    : Object.entries(entries).map(([name, inode]) => [byteTextFrom(name), inode] as const);
  const sorted = [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...plain, mode: 0o755, ...base, kind: 'directory', entries: new Map(sorted) };
}

export function fileOf(content: Uint8Array, base: Partial<InodeBase> = {}): RegularFile {
  const hashes: Buffer[] = [];
  for (let at = 0; at < content.length; at += chunkBytes) {
    hashes.push(
      createHash('sha256')
        .update(content.subarray(at, at + chunkBytes))
        .digest(),
    );
  }
  const chunkHashes = hashes.length === 0 ? new Uint8Array(0) : Buffer.concat(hashes);
  return { ...plain, ...base, kind: 'file', sizeBytes: content.length, chunkHashes };
}

/** A file of which only the size matters. */
export function hollowFileOf(sizeBytes: number, base: Partial<InodeBase> = {}): RegularFile {
  const chunkHashes = Buffer.alloc(Math.ceil(sizeBytes / chunkBytes) * hashBytes, 7);
  return { ...plain, ...base, kind: 'file', sizeBytes, chunkHashes };
}

export function symlinkOf(target: string, base: Partial<InodeBase> = {}): Symlink {
  return { ...plain, mode: 0o777, ...base, kind: 'symlink', target: byteTextFrom(target) };
}

export function xattrOf(name: string, value: Uint8Array | string): Xattr {
  return { name: byteTextFrom(name), value: Buffer.from(value) };
}
