type Value = number | string | null | typeof same | Buffer;

/** A column that an update leaves as it is. */
const same = Symbol('same');

/** Columns, and how many of them, from the first on, are the primary key. */
const shapes = {
  backends: [4, 1],
  blob_chunks: [4, 2],
  blobs: [4, 1],
  chunks: [8, 1],
  dead: [2, 1],
  dead_manifests: [1, 1],
  files: [5, 1],
  owed_manifests: [2, 1],
  packs: [4, 1],
  s3_buckets: [15, 1],
  s3_inline: [2, 1],
  s3_parts: [9, 3],
  s3_sequence: [2, 1],
  s3_uploads: [13, 3],
  s3_versions: [20, 3],
  slices: [4, 1],
} as const;

const operations = { insert: 0x12, update: 0x17, remove: 0x09 } as const;

const id = blob(16);
/** Of a chunk or a version: the epoch of a head first. */
const ownId = blob(16, '00000001000000000000');
const wrappedKey = blob(60);
const nowMs = 0x1a1_ff00_0000;
const five: readonly Value[] = [same, same, same, same, same];
const headers = '{"system":{"content-type":"application/octet-stream"},"user":{}}';

/**
 * What records of stores have in common, so that zstd finds it in short ones, too: rows as changesets
 * have them, without what is different in each, the most usual ones last. It belongs to format 2 of the
 * log and never changes. The catalogue sees no meaning in it.
 */
export const recordDictionary: Buffer = Buffer.concat([
  rowOf('backends', 'insert', [1, '127.0.0.1:9900/', 'used', 0]),
  rowOf('dead_manifests', 'insert', [ownId]),
  rowOf('dead_manifests', 'remove', [ownId]),
  rowOf('dead', 'insert', [ownId, 0]),
  rowOf('dead', 'remove', [ownId, 0]),
  rowOf('slices', 'insert', [ownId, ownId, 0, 0]),
  rowOf('packs', 'insert', [ownId, 0, 0, 0]),
  rowOf('blobs', 'remove', [id, 0, wrappedKey, 1]),
  rowOf('blob_chunks', 'remove', [id, 0, ownId, 0]),
  rowOf('chunks', 'remove', [ownId, 0, 4, 2, 0, 0, blob(12), blob(192)]),
  rowOf('chunks', 'update', [ownId, ...five.slice(1), 1, blob(12, '0001')]),
  rowOf('s3_inline', 'remove', [1]),
  rowOf('s3_versions', 'remove', [1, blob(8), 1, ownId, 0, 0, 1, 0, '', nowMs]),
  rowOf('s3_uploads', 'insert', [1, blob(8), id, 1, '', nowMs, null, null, 0, null, null, null]),
  rowOf('s3_inline', 'insert', [1, blob(4)]),
  rowOf('files', 'insert', ['', id, 0, blob(32), nowMs]),
  rowOf('chunks', 'insert', [ownId, 1, 1, 4, 0, 0, blob(10, '0001'), blob(32)]),
  rowOf('chunks', 'insert', [ownId, 0, 4, 2, 0x40_0010, 0, blob(12, '0001'), blob(192)]),
  rowOf('chunks', 'insert', [ownId, 0, 16, 4, 0x40_0010, 0, blob(40, '00'), blob(640)]),
  rowOf('blobs', 'insert', [id, 0, wrappedKey, 1]),
  rowOf('blob_chunks', 'insert', [id, 0, ownId, 0x40_0000]),
  rowOf('s3_buckets', 'update', ['', ...five, ...five, same, 1, 0x1_0000, same]),
  rowOf('s3_sequence', 'update', [1, 1, same, 1]),
  rowOf('s3_versions', 'insert', [
    ...[1, blob(8), 1, ownId, 0, 0, 1, 0x1_0000, ' '.repeat(32), nowMs],
    ...[null, null, null, null, 0, null, null, 1, null, headers],
  ]),
  rowOf('s3_parts', 'insert', [1, 1, 0, id, null, 0, null, null, null]),
  rowOf('owed_manifests', 'update', [1, ownId, same, ownId]),
]);

/** As SQLite writes it: https://sqlite.org/src/file/ext/session/sqlite3session.c, "Format of a changeset". */
function rowOf(
  table: keyof typeof shapes,
  operation: keyof typeof operations,
  row: readonly Value[],
): Buffer {
  const [columns, keys] = shapes[table];
  const places = Array.from({ length: columns }, (_, at) => (at < keys ? at + 1 : 0));
  const name = Buffer.from(`${table}\0`);
  const begin = Buffer.from([0x54, columns, ...places, ...name, operations[operation], 0]);
  return Buffer.concat([begin, ...row.map(bytesOf)]);
}

function bytesOf(value: Value): Buffer {
  if (value === same) return Buffer.from([0]);
  if (value === null) return Buffer.from([5]);
  if (typeof value === 'string') {
    return Buffer.concat([Buffer.from([3, value.length]), Buffer.from(value)]);
  }
  if (typeof value !== 'number') return value;
  const bytes = Buffer.alloc(9, 1);
  bytes.writeBigInt64BE(BigInt(value), 1);
  return bytes;
}

/** How a blob of so many bytes begins: what follows is another one each time. */
function blob(length: number, begin = ''): Buffer {
  const lengthBytes = length < 128 ? [length] : [0x80 | (length >> 7), length & 0x7f];
  return Buffer.concat([Buffer.from([4, ...lengthBytes]), Buffer.from(begin, 'hex')]);
}
