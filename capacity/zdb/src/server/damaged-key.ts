import { readAsync } from '@commongrid/files';
import { keyLengthOf, RECORD_HEADER_BYTES } from '../engine/log/format.ts';
import { KeyHasher } from '../engine/keys/key-hash.ts';
import type { BadRecord } from '../engine/upkeep/scrubber.ts';
import type { Segment } from '../engine/log/segment.ts';
import type { IndexEntry } from '../engine/log/segment-index.ts';
import type { Store } from '../engine/store.ts';

/**
 * The key of a damaged record, when the damage spared it: its hash must be the one that the
 * segment's index holds. Whoever has another copy of the value can then look for it.
 */
export async function keyOfDamaged(store: Store, bad: BadRecord): Promise<Buffer | undefined> {
  try {
    const found = await store.locator.find(bad.sequence);
    if (found === undefined) return undefined;
    const { segment, entry } = found;
    const key = await readKey(store, segment, entry);
    const hasher = new KeyHasher(store.table.hashSecret);
    hasher.hash(key, 0, key.length);
    return hasher.low === entry.low && hasher.high === entry.high ? key : undefined;
  } catch {
    return undefined; // The disk does not give it back, or compaction has just moved it.
  }
}

async function readKey(store: Store, segment: Segment, entry: IndexEntry): Promise<Buffer> {
  const key = Buffer.alloc(keyLengthOf(entry.lengths));
  const fd = segment.hold();
  try {
    const at = entry.offset + RECORD_HEADER_BYTES;
    await readAsync(store.table.files, fd, key, 0, key.length, at);
    return key;
  } finally {
    segment.release();
  }
}
