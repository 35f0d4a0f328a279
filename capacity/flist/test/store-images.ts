import { createHash } from 'node:crypto';

import type { Flist } from '../src/format/flist.ts';
import { objectIdOf } from '../src/format/object-id.ts';
import type { ObjectId } from '../src/format/object-id.ts';
import type { ChunkHash } from '../src/ports.ts';
import { byteTextFrom } from '../src/tree/byte-text.ts';
import type { ByteText } from '../src/tree/byte-text.ts';
import { chunkBytes } from '../src/tree/inode.ts';
import type { RegularFile } from '../src/tree/inode.ts';

export interface TestImage {
  readonly flist: Flist;
  readonly contents: Readonly<Record<string, Buffer>>;
  readonly files: ReadonlyMap<string, RegularFile>;
  /** Plaintext of all chunks, in the order of the files. */
  readonly chunks: readonly Buffer[];
  readonly hashes: readonly ChunkHash[];
  idOf(name: string): ObjectId;
}

/** An image whose root has these files. */
export function imageOf(contents: Readonly<Record<string, Buffer>>): TestImage {
  const base = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };
  const files = new Map<string, RegularFile>();
  const entries = new Map<ByteText, RegularFile>();
  const chunks: Buffer[] = [];
  for (const [name, content] of Object.entries(contents).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const parts: Buffer[] = [];
    for (let at = 0; at < content.length; at += chunkBytes) {
      parts.push(content.subarray(at, at + chunkBytes));
    }
    chunks.push(...parts);
    const chunkHashes = Buffer.concat(
      parts.map((part) => createHash('sha256').update(part).digest()),
    );
    const file: RegularFile = { ...base, kind: 'file', sizeBytes: content.length, chunkHashes };
    files.set(name, file);
    entries.set(byteTextFrom(name), file);
  }
  const hashes = chunks.map(
    (chunk) => createHash('sha256').update(chunk).digest('hex') as ChunkHash,
  );
  const root = { ...base, kind: 'directory', mode: 0o755, entries } as const;
  const idOf = (name: string): ObjectId => {
    const file = files.get(name);
    if (file === undefined) throw new Error(`there is no file ${name}`);
    return objectIdOf(file);
  };
  return { flist: { root }, contents, files, chunks, hashes, idOf };
}
