import { readAsync } from '../engine/files.ts';
import { keyLengthOf, RECORD_HEADER_BYTES } from '../engine/format.ts';
import { KeyHasher } from '../engine/key-hash.ts';
import type { BadRecord } from '../engine/scrubber.ts';
import type { Store } from '../engine/store.ts';

/**
 * The key of a damaged record, when the damage spared it: its hash must be the one that the segment's
 * index holds. Whoever has another copy of the value can then write it anew.
 */
export async function keyOfDamaged(store: Store, bad: BadRecord): Promise<Buffer | undefined> {
  const found = await store.locator.find(bad.sequence);
  if (found === undefined) return undefined;
  const { segment, entry } = found;
  const key = Buffer.alloc(keyLengthOf(entry.lengths));
  const fd = segment.hold();
  try {
    const at = entry.offset + RECORD_HEADER_BYTES;
    const got = await readAsync(store.table.files, fd, key, 0, key.length, at);
    if (got < key.length) return undefined;
  } catch {
    return undefined; // The disk does not give it back: then the key is unknown.
  } finally {
    segment.release();
  }
  const hasher = new KeyHasher(store.table.hashSecret);
  hasher.hash(key, 0, key.length);
  return hasher.low === entry.low && hasher.high === entry.high ? key : undefined;
}
