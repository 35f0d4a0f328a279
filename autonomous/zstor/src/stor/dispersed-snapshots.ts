import { GridError } from '@commongrid/base';
import { BackendPool } from '../backends/backend-pool.ts';
import { nameOfBackend, readBackendsFile } from '../backends/backends-file.ts';
import type { Credit } from '../backends/credit.ts';
import { BlobReader } from '../blob/blob-reader.ts';
import type { BlobWriter, StoragePolicy } from '../blob/blob-writer.ts';
import type { ChunkRecord } from '../blob/chunk-record.ts';
import type { WrittenBlob } from '../blob/written-blob.ts';
import type { SnapshotStore } from '../catalog/snapshot-store.ts';
import type { ZstorErrorCode } from '../errors.ts';
import type { ManifestBlob } from '../manifest/manifest.ts';
import type { StorKeys } from './stor-keys.ts';
import type { SnapshotIndex } from './snapshot-index.ts';
import type { KeptSnapshot } from './snapshot-tables.ts';
import type { CodingThreads } from '../threads/coding-threads.ts';

export interface DispersedSnapshotsOptions {
  readonly backendsFile: string;
  readonly policy: StoragePolicy;
  readonly threads: CodingThreads;
  readonly budget: Credit;
  /** What a store has once its tables are there, and snapshots are written. */
  readonly store: () => {
    readonly writer: BlobWriter;
    /** Names of backends by their number. */
    readonly names: ReadonlyMap<number, string>;
    readonly register: (blob: WrittenBlob, records: readonly ChunkRecord[]) => Promise<void>;
    /** All that were registered and not forgotten. */
    readonly list: () => readonly KeptSnapshot[];
    readonly forget: (blobId: Uint8Array) => Promise<void>;
    /** Says on the backends where snapshots are. */
    readonly index: Pick<SnapshotIndex, 'write' | 'remove'>;
  };
}

const pointerVersion = 1;

/** docs/formats/zstor-store.md: what is needed to read a snapshot when there are no tables. The log keeps it encrypted. */
interface Pointer {
  readonly version: typeof pointerVersion;
  readonly id: string;
  readonly key: string;
  /** Backends by name: their numbers are in the tables. */
  readonly backends: readonly (readonly [no: number, name: string])[];
  readonly chunks: readonly {
    readonly plaintextBytes: number;
    readonly record: Omit<ChunkRecord, 'id' | 'digests'> & {
      readonly id: string;
      readonly digests: readonly string[];
    };
  }[];
}

/**
 * Snapshots of the tables as blobs among all others. Their pointers say where the shards were when the
 * snapshot was taken.
 */
export class DispersedSnapshots implements SnapshotStore {
  readonly #o: DispersedSnapshotsOptions;

  constructor(options: DispersedSnapshotsOptions) {
    this.#o = options;
  }

  async put(content: AsyncIterable<Buffer>): Promise<Buffer> {
    const { writer, names, register, index } = this.#o.store();
    const { policy } = this.#o;
    // Its pointer says where the shards are: it is read when there are no tables to look them up.
    const blob = await writer.write(content, { policy, isNeverPacked: true });
    // What comes late would not be in the pointer.
    await Promise.all(blob.chunks.map(({ spread }) => spread.ended));
    return blob.commit(async (records) => {
      await register(blob, records);
      const pointer = encode(blob, records, names);
      const chunkId = records[0]?.id ?? blob.secret.id;
      await index.write({ chunkId: Buffer.from(chunkId), pointer }, this.#o.policy);
      return pointer;
    });
  }

  async *get(pointer: Buffer): AsyncGenerator<Uint8Array, void> {
    const { secret, chunks, records, numbers } = decode(pointer);
    const { backendsFile, threads, budget } = this.#o;
    const specs = await readBackendsFile(backendsFile);
    await using backends = await BackendPool.open(
      specs.filter((spec) => numbers.has(nameOfBackend(spec))),
      { numberOf: (spec) => numbers.get(nameOfBackend(spec)) ?? 0 },
    );
    const locations = {
      find: (id: Uint8Array): ChunkRecord | undefined => records.get(hexOf(id)),
      compareAndSet: async (): Promise<boolean> => false,
    };
    const reader = new BlobReader({ backends, threads, budget, locations });
    // Whoever reads may keep what it got; the memory of the reader is used again.
    for await (const bytes of reader.read({ secret, chunks })) yield Buffer.from(bytes);
  }

  async keepOnly(pointers: readonly Buffer[]): Promise<void> {
    const { index, list, forget } = this.#o.store();
    const kept = new Set(pointers.map((pointer) => hexOf(decode(pointer).secret.id)));
    for (const { blobId, chunkId } of list()) {
      if (kept.has(hexOf(blobId))) continue;
      // First: what is not there must not be found.
      if (chunkId !== undefined) await index.remove(chunkId);
      await forget(blobId);
    }
  }
}

/** A snapshot as a blob of the tables, which a snapshot itself does not know. */
export function blobOfPointer(pointer: Buffer, keys: StorKeys): ManifestBlob {
  const { secret, chunks, records } = decode(pointer);
  const kept = chunks.flatMap(({ id, plaintextBytes }) => {
    const record = records.get(hexOf(id));
    return record === undefined ? [] : { plaintextBytes, record };
  });
  const wrappedKey = keys.own.wrap(secret.id, secret.key);
  return { id: secret.id, keyNo: 0, wrappedKey, chunks: kept };
}

/** Where a snapshot says that its shards are. */
export function recordsIn(pointer: Buffer): readonly ChunkRecord[] {
  return [...decode(pointer).records.values()];
}

/** Ids of the chunks of a snapshot. */
export function chunkIdsIn(pointer: Buffer): readonly Uint8Array[] {
  return decode(pointer).chunks.map(({ id }) => id);
}

function encode(
  { secret, chunks }: WrittenBlob,
  records: readonly ChunkRecord[],
  names: ReadonlyMap<number, string>,
): Buffer {
  const used = new Set(records.flatMap(({ locations }) => locations));
  const pointer: Pointer = {
    version: pointerVersion,
    id: hexOf(secret.id),
    key: hexOf(secret.key),
    backends: [...names].filter(([no]) => used.has(no)),
    chunks: records.map((record, at) => {
      const texts = { id: hexOf(record.id), digests: record.digests.map(hexOf) };
      return {
        plaintextBytes: chunks[at]?.plaintextBytes ?? 0,
        record: { ...record, ...texts },
      };
    }),
  };
  return Buffer.from(JSON.stringify(pointer));
}

function decode(bytes: Buffer) {
  const pointer = JSON.parse(bytes.toString()) as Pointer;
  if (pointer.version !== pointerVersion) throw unknownVersion(pointer.version);
  const records = pointer.chunks.map(({ record }): ChunkRecord => {
    const { id, digests } = record;
    return { ...record, id: bytesOf(id), digests: digests.map(bytesOf) };
  });
  return {
    secret: { id: bytesOf(pointer.id), key: bytesOf(pointer.key) },
    chunks: pointer.chunks.map(({ plaintextBytes, record }) => {
      return { id: bytesOf(record.id), plaintextBytes };
    }),
    records: new Map(records.map((record) => [hexOf(record.id), record])),
    numbers: new Map(pointer.backends.map(([no, name]) => [name, no])),
  };
}

function unknownVersion(version: unknown): GridError<ZstorErrorCode> {
  const message = `the pointer of a snapshot has version ${String(version)}`;
  return new GridError('ZSTOR_CATALOG_SNAPSHOT_CORRUPT', message, {
    hint: 'use the program that wrote it, or a newer one',
  });
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}
