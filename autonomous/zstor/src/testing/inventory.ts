import type { DatabaseSync } from 'node:sqlite';
import { chunkKeyOf } from '../backends/backend.ts';
import { keyPages } from '../backends/key-pages.ts';
import type { BlobStore } from '../blob-store.ts';

/** Shards and copies that backends have and no record names, or the other way round. */
export async function leftOverShards({
  backends,
  catalog,
}: Pick<BlobStore, 'backends' | 'catalog'>): Promise<string[]> {
  const expected = new Set(catalog.read(namesOfShards));
  const left: string[] = [];
  for (const backend of backends.all) {
    for await (const page of keyPages(backend)) {
      for (const { key } of page) {
        if (chunkKeyOf(key) === undefined) continue;
        const name = `${backend.no} ${key.toString('hex')}`;
        if (!expected.delete(name)) left.push(`without a record: ${name}`);
      }
    }
  }
  return [...left, ...[...expected].map((name) => `not there: ${name}`)];
}

/** The keys that the records of chunks name, each behind the number of its backend. */
export function namesOfShards(db: DatabaseSync): string[] {
  const rows = db.prepare('SELECT id, is_copied, locations FROM chunks').all();
  return rows
    .flatMap(({ id, is_copied: isCopied, locations }) => {
      const places = Buffer.from(locations instanceof Uint8Array ? locations : []);
      const name = Buffer.from(id instanceof Uint8Array ? id : []).toString('hex');
      return Array.from({ length: places.length / 2 }, (_, index) => {
        const no = places.readUInt16BE(index * 2);
        const part = Buffer.from([index]).toString('hex');
        return isCopied === 1 ? `${no} 50${name}` : `${no} 53${name}${part}`;
      });
    })
    .filter((key) => !key.startsWith('0 '))
    .toSorted();
}

/** Ids of the versions of all manifests that backends have, in hex. */
export async function manifestsOf({ backends }: Pick<BlobStore, 'backends'>): Promise<string[]> {
  const found = new Set<string>();
  for (const backend of backends.all) {
    for await (const page of keyPages(backend, 'M')) {
      for (const { key } of page) found.add(key.subarray(1, 17).toString('hex'));
    }
  }
  return [...found].toSorted();
}
