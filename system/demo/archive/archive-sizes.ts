/** Data and parity shards. */
export interface Shards {
  readonly data: number;
  readonly parity: number;
}

const mib = 2 ** 20;

/** What the writer adds beside what is loaded, as a part of it. */
const writtenPart = 1 / 8;
/**
 * Room for so many times what is kept: repairs put shards beside those that they take the place of, tries that failed leave
 * some, and what was deleted is swept later.
 */
const beside = 3;
/** Left alone by whoever writes shards. */
const reservedBytes = 64 * mib;
/** Of what a Zero-DB keeps to sweep with. */
const headroomPart = 1 / 8;

/** Sizes of the namespaces of a store, bytes. */
export interface NamespaceSizes {
  readonly shard: number;
  readonly log: number;
  readonly keys: number;
}

/** What a head may write over its image, bytes. */
export const headRootBytes = 128 * mib;
/** For a page of another contract, bytes. */
const pageBytes = 32 * mib;

/** What the writer may write in all, bytes. */
export function writtenBytesMax(dataBytes: number): number {
  return Math.floor(dataBytes * writtenPart);
}

/** With room for so much data, for what the writer adds, and for repairs. @param dataBytes of the objects that are loaded */
export function namespaceSizes({ data }: Shards, dataBytes: number): NamespaceSizes {
  const kept = (dataBytes + writtenBytesMax(dataBytes)) / data;
  const shard = (kept * beside + reservedBytes) * (1 + headroomPart);
  return { shard: upTo(shard, 16 * mib), log: 64 * mib, keys: 32 * mib };
}

/** Namespaces that keep the log of a store, and as many its keys: a majority is left when as many are lost as shards may be. */
export function memberCount({ parity }: Shards): number {
  return 2 * parity + 1;
}

/** A file system takes some of the disk of a machine. */
const usablePart = 0.85;

/**
 * Disk of a machine, bytes: what it had before it was killed stays until a tombstone takes it, a day later, so it has
 * room for that as well.
 * @param generations of what a machine may have had
 */
export function machineDiskBytes(sizes: NamespaceSizes, generations: number): number {
  const { shard, log, keys } = sizes;
  const wanted = generations * (shard + log + keys) + headRootBytes + pageBytes;
  return upTo(wanted / usablePart, 64 * mib);
}

function upTo(bytes: number, step: number): number {
  return Math.ceil(bytes / step) * step;
}
