import { closeSync, fsyncSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const mib = 2 ** 20;

/** What the kernel says to a writer without room: EDQUOT or ENOSPC, the former by its number. */
export function isNoRoom(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && [-122, -28].includes(Number(error.errno));
}

/** Bytes that went into a file until there was no room, or as many as are wanted. */
export function fillWithFile(path: string, wantedBytes = Number.POSITIVE_INFINITY): number {
  const piece = Buffer.alloc(mib, 1);
  const file = openSync(path, 'w');
  let writtenBytes = 0;
  try {
    while (writtenBytes < wantedBytes) writtenBytes += writeSync(file, piece);
    fsyncSync(file);
  } catch (error) {
    if (!isNoRoom(error) || wantedBytes < Number.POSITIVE_INFINITY) throw error;
  } finally {
    closeSync(file);
  }
  return writtenBytes;
}

/** Long links take no data at all, only metadata. */
export function fillWithLinks(folder: string): void {
  const target = 'x'.repeat(3_900);
  for (let count = 0; ; count++) {
    const parent = join(folder, `d${Math.floor(count / 1_000)}`);
    if (count % 1_000 === 0) mkdirSync(parent);
    symlinkSync(target, join(parent, String(count)));
  }
}
