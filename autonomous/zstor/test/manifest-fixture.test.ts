import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openManifestPart, parseManifest } from '../src/manifest/manifest.ts';
import { fileIn } from '../src/stor/file-document.ts';
import { manifestFile, manifestKey, manifestOf } from './fixtures/manifest-facts.ts';

for (const format of [1, 2]) {
  test(`manifest of format ${format} is read as it was written`, async () => {
    const url = new URL(`fixtures/manifest-v${format}.json`, import.meta.url);
    const { values }: { values: readonly string[] } = JSON.parse(await readFile(url, 'utf8'));
    const known = manifestOf(Buffer.alloc(0));
    const parts = values.map((value) => {
      return openManifestPart(manifestKey, known.versionId, Buffer.from(value, 'base64'));
    });
    const opened = parts.filter((part) => part !== undefined);
    assert.deepEqual(
      opened.map((part) => part.format),
      [format],
    );
    const manifest = parseManifest(known.versionId, opened);
    assert.deepEqual(manifest.blobs, known.blobs);
    assert.deepEqual(fileIn(Buffer.from(manifest.document)), manifestFile);
  });
}

test('parts of different formats are no manifest', () => {
  const { versionId } = manifestOf(Buffer.alloc(0));
  const content = Buffer.alloc(5);
  const part = { part: 0, parts: 2, content, format: 1 };
  const both = [part, { ...part, part: 1, format: 2 }];
  assert.throws(() => parseManifest(versionId, both), { code: 'ZSTOR_MANIFEST_CORRUPT' });
});
