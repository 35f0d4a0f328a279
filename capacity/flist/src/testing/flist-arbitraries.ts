import * as fc from 'fast-check';
import type { JsonValue } from '@commongrid/crypto';
import type { Flist, TraceRange } from '../format/flist.ts';
import { byteTextFrom, byteTextOf } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { chunkCountOf } from '../tree/check-inode.ts';
import type { NewNode } from '../tree/check-inode.ts';
import { chunkBytes, hashBytes } from '../tree/inode.ts';
import type { Directory, InodeBase, RegularFile } from '../tree/inode.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { walkTree } from '../tree/walk-tree.ts';

const second = 1_000_000_000n;

/** Names of any bytes that names can have. */
const byteNames: fc.Arbitrary<ByteText> = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) => byteTextOf(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))))
  .filter((name) => name !== '.' && name !== '..');

/** Few names, so that paths meet. */
const names = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'c', 'd').map(byteTextFrom) },
  { weight: 1, arbitrary: byteNames },
);

const paths: fc.Arbitrary<ByteText> = fc
  .array(names, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/') as ByteText);

const xattrs = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('user.a', 'user.b', 'security.capability').map(byteTextFrom),
    value: fc.uint8Array({ maxLength: 20 }),
  }),
  { selector: ({ name }) => name, maxLength: 3 },
);

const bases: fc.Arbitrary<InodeBase> = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.constantFrom(0, 1000, 65_535),
  gid: fc.integer({ min: 0, max: 65_535 }),
  mtimeNs: fc.bigInt({ min: -(2n ** 52n) * second, max: 2n ** 52n * second - 1n }),
  xattrs,
});

const contents = fc
  .tuple(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4 * chunkBytes })), fc.nat(255))
  .map(([sizeBytes, fill]) => ({
    sizeBytes,
    chunkHashes: new Uint8Array(chunkCountOf(sizeBytes) * hashBytes).fill(fill),
  }));

const nodes: fc.Arbitrary<NewNode> = fc
  .tuple(
    bases,
    fc.oneof(
      contents.map((content) => ({ kind: 'file' as const, ...content })),
      fc.constant({ kind: 'directory' as const }),
      fc.record({ kind: fc.constant('symlink' as const), target: paths }),
      fc.record({
        kind: fc.constantFrom('character-device' as const, 'block-device' as const),
        major: fc.integer({ min: 0, max: 4_095 }),
        minor: fc.integer({ min: 0, max: 1_048_575 }),
      }),
      fc.constant({ kind: 'fifo' as const }),
    ),
  )
  .map(([base, kind]) => ({ ...base, ...kind }));

/** Trees with everything that trees can have. */
export const trees: fc.Arbitrary<Directory> = fc
  .array(fc.tuple(paths, fc.oneof({ weight: 5, arbitrary: nodes }, paths)), { maxLength: 20 })
  .map((changes) => {
    const builder = new TreeBuilder();
    for (const [path, what] of changes) {
      try {
        if (typeof what === 'string') builder.link(path, what);
        else builder.put(path, what);
      } catch {
        // A path through a file, a link to nothing: the rest makes a tree all the same.
      }
    }
    return builder.finish();
  });

const configs: fc.Arbitrary<JsonValue> = fc
  .dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue())
  .map((config) => config as JsonValue);

/** Images with and without config and trace. */
export const flists: fc.Arbitrary<Flist> = fc
  .record({
    root: trees,
    config: fc.option(configs, { nil: undefined }),
    seeds: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { maxLength: 5 }),
  })
  .map(({ root, config, seeds }) => {
    const trace = traceOf(root, seeds);
    return {
      root,
      ...(config === undefined ? {} : { config }),
      ...(trace.length === 0 ? {} : { trace }),
    };
  });

function traceOf(root: Directory, seeds: readonly [number, number, number][]): TraceRange[] {
  const files = [...walkTree(root)]
    .map(({ inode }) => inode)
    .filter((inode): inode is RegularFile => inode.kind === 'file' && inode.sizeBytes > 0);
  return seeds.flatMap(([which, first, count]) => {
    const file = files[which % files.length];
    if (file === undefined) return [];
    const chunks = chunkCountOf(file.sizeBytes);
    const firstChunk = first % chunks;
    return [{ file, firstChunk, chunkCount: 1 + (count % (chunks - firstChunk)) }];
  });
}
