import path from 'node:path';
import { packOwner, RecordKind } from '../log/format.ts';
import type { Namespace } from '../namespace.ts';
import { readKey } from '../start/key-indexes.ts';
import type { Segment } from '../log/segment.ts';
import type { IndexEntry } from '../log/segment-index.ts';
import type { Store } from '../store.ts';

/**
 * Removes a key and every value that it ever had from every file of the folder: what the law may ask
 * for. Resolves with the number of records that are gone. Interrupted, it goes on at the next start: the
 * record that asks for it is in the log, and stays there until the manifest says that it is done.
 *
 * What a disk keeps of a removed file is beyond a program: use an encrypted disk where that matters.
 * @throws GridError ZDB_WRITE_FAILED, ZDB_READ_FAILED
 */
export async function eraseKey(store: Store, namespace: Namespace, key: Buffer): Promise<number> {
  const sequence = await store.retrying(() => {
    return store.markErased(namespace, key) === 'fault' ? 'fault' : store.seen;
  });
  await store.log.flush(sequence);
  return eraseBefore(store, namespace.id, key, sequence);
}

/** Carries out the erasures that the log asks for and that are not done. */
export async function finishErasures(store: Store): Promise<void> {
  for (const sequence of [...(store.table.erasures ?? [])]) {
    await store.log.flush(sequence);
    const record = await store.recordAt(sequence);
    if (record === undefined) await store.maintenance.noteErased(sequence);
    else await eraseBefore(store, record.namespaceId, Buffer.from(record.key), sequence);
  }
}

/** Rewrites what stands before an erasure record, and notes that it is done. */
export async function eraseBefore(
  store: Store,
  namespaceId: number,
  key: Buffer,
  sequence: number,
): Promise<number> {
  store.hasher.hash(key, 0, key.length);
  const { low, high } = store.hasher;
  const owner = packOwner(namespaceId, RecordKind.set);
  const { files } = store.table;
  const erased = await store.maintenance.eraseEverywhere(
    namespaceId,
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
  await store.maintenance.noteErased(sequence);
  return erased;
}
