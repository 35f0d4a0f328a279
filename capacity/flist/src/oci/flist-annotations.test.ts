import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGridError } from '@commongrid/base';
import fc from 'fast-check';

import { decodeFlist } from '../format/decode-flist.ts';
import { encodeFlist } from '../format/encode-flist.ts';
import { traceRangesMax } from '../format/flist.ts';
import { flists } from '../testing/flist-arbitraries.ts';
import { chunkBytes } from '../tree/inode.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { byteTextFrom } from '../tree/byte-text.ts';
import type { OciDigest } from './digest.ts';
import { annotationsFor, readAnnotations, traceFrom } from './flist-annotations.ts';

const config = `sha256:${'a'.repeat(64)}` as OciDigest;
const other = `sha256:${'b'.repeat(64)}` as OciDigest;

function textsOf(annotations: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).map(([name, one]) => [name, String(one)]));
}

test('a start trace comes back from annotations as it was', () => {
  fc.assert(
    fc.property(flists, (flist) => {
      const { trace } = readAnnotations(textsOf(annotationsFor(flist, config, '')), config);
      // An import has a tree of its own, which is the same one.
      const { root } = decodeFlist(encodeFlist({ root: flist.root }));
      const back = { root, ...(trace === undefined ? {} : { trace: traceFrom(trace, root) }) };
      const { config: _config, ...wanted } = flist;
      assert.deepEqual(encodeFlist(back), encodeFlist(wanted));
    }),
  );
});

test('annotations that speak of another config count for nothing', () => {
  const builder = new TreeBuilder();
  const texts = textsOf(annotationsFor({ root: builder.finish() }, config, 'os'));
  assert.deepEqual(readAnnotations(texts, config).added, ['os']);
  assert.deepEqual(readAnnotations(texts, other), { added: [], trace: undefined });
  assert.deepEqual(readAnnotations(texts, undefined), { added: [], trace: undefined });
});

test('a trace that is none of the tree is refused, whatever its bytes are', () => {
  fc.assert(
    fc.property(flists, fc.base64String({ maxLength: 200 }), ({ root }, text) => {
      try {
        const trace = traceFrom(text, root);
        assert.deepEqual(decodeFlist(encodeFlist({ root, trace })).trace?.length, trace.length);
      } catch (error) {
        assert.ok(isGridError(error) && error.code === 'FLIST_MANIFEST_INVALID', String(error));
      }
    }),
  );
});

test('the longest trace has room in an annotation', () => {
  const chunkCount = 2_000_000;
  const builder = new TreeBuilder();
  const base = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };
  const sizeBytes = chunkCount * chunkBytes;
  const chunkHashes = new Uint8Array(chunkCount * 32);
  builder.put(byteTextFrom('file'), { kind: 'file', ...base, sizeBytes, chunkHashes });
  const root = builder.finish();
  const [file] = root.entries.values();
  assert.ok(file?.kind === 'file');
  const range = { file, firstChunk: chunkCount - 1, chunkCount: 1 };
  const trace = Array.from({ length: traceRangesMax }, () => range);
  const { trace: text = '' } = readAnnotations(
    textsOf(annotationsFor({ root, trace }, config, '')),
    config,
  );
  assert.equal(traceFrom(text, root).length, traceRangesMax);
});
