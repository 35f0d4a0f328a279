import path from 'node:path';
import { packOwner, RecordKind } from '../log/format.ts';
import type { Namespace } from '../namespace.ts';
import { readKey } from '../start/recovery.ts';
import type { Segment } from '../log/segment.ts';
import type { IndexEntry } from '../log/segment-index.ts';
import type { Store } from '../store.ts';

/**
 * Removes a key and every value that it ever had from every file of the folder: what the law may ask
 * for. Resolves with the number of records that are gone. Interrupted, it is simply done again.
 *
 * What a disk keeps of a removed file is beyond a program: use an encrypted disk where that matters.
 * @throws GridError ZDB_WRITE_FAILED, ZDB_READ_FAILED
 */
export async function eraseKey(store: Store, namespace: Namespace, key: Buffer): Promise<number> {
  const sequence = await store.retrying(() => {
    return store.markErased(namespace, key) === 'fault' ? 'fault' : store.seen;
  });
  await store.log.flush(sequence);
  return eraseBefore(store, namespace, key, sequence);
}

/** Rewrites what stands before an erasure record; a replica does the same when it gets the record. */
export async function eraseBefore(
  store: Store,
  namespace: Namespace,
  key: Buffer,
  sequence: number,
): Promise<number> {
  store.hasher.hash(key, 0, key.length);
  const { low, high } = store.hasher;
  const owner = packOwner(namespace.id, RecordKind.set);
  const { files } = store.table;
  const erased = await store.maintenance.eraseEverywhere(
    namespace,
    (entry: IndexEntry, segment: Segment) =>
      entry.sequence < sequence &&
      entry.low === low &&
      entry.high === high &&
      entry.owner === owner &&
      readKey(files, segment, entry.offset, key.length).equals(key),
  );
  const { folder } = store.options;
  const names = files.readdirSync(folder);
  const aside = names.filter((name) => /^(torn|diverged|quarantine)-/.test(name));
  store.table.removeFiles(aside.map((name) => path.join(folder, name)));
  return erased;
}
