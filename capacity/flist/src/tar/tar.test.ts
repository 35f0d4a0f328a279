import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGridError } from '@commongrid/base';
import fc from 'fast-check';

import { byteTextFrom, byteTextOf } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { readTar } from './read-tar.ts';
import type { ReadTarOptions } from './read-tar.ts';
import type { TarEntry, TarKind } from './tar-entry.ts';
import { writeTar } from './write-tar.ts';
import type { NewTarItem } from './write-tar.ts';

interface Whole {
  readonly entry: TarEntry;
  readonly content: Buffer;
}

const plain: TarEntry = {
  kind: 'file',
  path: byteTextFrom('a'),
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  xattrs: [],
  sizeBytes: 0,
  linkTarget: byteTextFrom(''),
  major: 0,
  minor: 0,
};

function fileOf(path: string, text: string): Whole {
  const content = Buffer.from(text);
  return { entry: { ...plain, path: byteTextFrom(path), sizeBytes: content.length }, content };
}

async function* piecesOf(bytes: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes);
}

async function written(list: readonly Whole[]): Promise<Buffer> {
  async function* items(): AsyncGenerator<NewTarItem> {
    for (const { entry, content } of list) yield { entry, content: piecesOf(content, 700) };
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of writeTar(items())) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

async function read(bytes: Uint8Array, options?: ReadTarOptions, piece = 333): Promise<Whole[]> {
  const list: Whole[] = [];
  for await (const { entry, content } of readTar(piecesOf(bytes, piece), options)) {
    const parts: Uint8Array[] = [];
    for await (const part of content) parts.push(Buffer.from(part));
    list.push({ entry, content: Buffer.concat(parts) });
  }
  return list;
}

/** Writes the sum of a block again after it was changed. */
function mended(block: Buffer): Buffer {
  block.write('        ', 148, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function textArb(maxLength: number): fc.Arbitrary<ByteText> {
  return fc
    .uint8Array({ minLength: 1, maxLength })
    .map((bytes) => byteTextOf(bytes.map((byte) => (byte === 0 ? 1 : byte))));
}

const xattrArb = fc
  .tuple(textArb(20), fc.uint8Array({ maxLength: 40 }))
  .map(([name, value]) => ({ name: `user.${name}` as ByteText, value: Buffer.from(value) }));

const wholeArb: fc.Arbitrary<Whole> = fc
  .record({
    kind: fc.constantFrom<TarKind>('file', 'directory', 'symlink', 'hard-link', 'block-device'),
    path: textArb(300),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 65_535 }),
    gid: fc.integer({ min: 0, max: 65_535 }),
    mtimeNs: fc.bigInt({ min: -(10n ** 19n), max: 10n ** 20n }),
    xattrs: fc.uniqueArray(xattrArb, { maxLength: 3, selector: ({ name }) => name }),
    linkTarget: textArb(200),
    major: fc.integer({ min: 0, max: 4095 }),
    minor: fc.integer({ min: 0, max: 1_048_575 }),
    content: fc.uint8Array({ maxLength: 1500 }),
  })
  .map(({ content, ...entry }) => {
    const isLink = entry.kind === 'symlink' || entry.kind === 'hard-link';
    const isDevice = entry.kind === 'block-device';
    const bytes = entry.kind === 'file' ? Buffer.from(content) : Buffer.alloc(0);
    return {
      entry: {
        ...entry,
        sizeBytes: bytes.length,
        linkTarget: isLink ? entry.linkTarget : byteTextFrom(''),
        major: isDevice ? entry.major : 0,
        minor: isDevice ? entry.minor : 0,
      },
      content: bytes,
    };
  });

test('a tar has what was written into it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(wholeArb, { maxLength: 5 }),
      fc.integer({ min: 1, max: 3000 }),
      async (list, piece) => {
        const bytes = await written(list);
        assert.equal(bytes.length % 512, 0);
        assert.deepEqual(await read(bytes, {}, piece), list);
        assert.deepEqual(await written(list), bytes);
      },
    ),
    { numRuns: 60 },
  );
});

test('attributes keep odd names and empty values', async () => {
  const names = ['user.a=b', 'user.=', 'user.%3D', 'user.\n', 'user.plain'];
  const xattrs = names.flatMap((name) => [
    { name: byteTextFrom(name), value: Buffer.alloc(0) },
    { name: byteTextFrom(`${name}x`), value: Buffer.from('\0\n=') },
  ]);
  const list = [{ entry: { ...plain, xattrs }, content: Buffer.alloc(0) }];
  assert.deepEqual(await read(await written(list)), list);
});

test('a damaged tar ends in an error with a code or is read, whatever was changed', async () => {
  const sample = fc.sample(wholeArb, { seed: 5, numRuns: 8 });
  const bytes = await written(sample);
  const change = fc.record({
    at: fc.integer({ min: 0, max: bytes.length - 1 }),
    to: fc.uint8Array({ minLength: 1, maxLength: 12 }),
    isMended: fc.boolean(),
    cut: fc.option(fc.integer({ min: 0, max: bytes.length })),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ at, to, isMended, cut }) => {
      const copy = Buffer.from(bytes);
      copy.set(to.subarray(0, copy.length - at), at);
      const start = at - (at % 512);
      if (isMended) mended(copy.subarray(start, start + 512));
      try {
        await read(copy.subarray(0, cut ?? copy.length));
      } catch (error) {
        assert.ok(isGridError(error), String(error));
      }
    }),
    { numRuns: 400 },
  );
});

test('a content that nobody reads is skipped', async () => {
  const bytes = await written([fileOf('a', 'x'.repeat(1000)), fileOf('b', 'last')]);
  const paths: string[] = [];
  for await (const { entry } of readTar(piecesOf(bytes, 100))) paths.push(entry.path);
  assert.deepEqual(paths, ['a', 'b']);
});

test('the reader understands long names and large numbers of GNU', async () => {
  const long = `${'d/'.repeat(90)}end`;
  const [name, own, end] = [Buffer.alloc(1024), Buffer.alloc(512), Buffer.alloc(1024)];
  name.write('././@LongLink', 0);
  name.write('0000270\0', 124);
  name.write('L', 156);
  name.write('ustar  \0', 257, 'latin1');
  name.write(`${long}\0`, 512);
  own.write('d/d', 0);
  own.write('0', 156);
  own.write('ustar  \0', 257, 'latin1');
  own.set([0x80, 0, 0, 0, 0, 1, 0, 0], 108);
  own.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], 136);
  mended(name.subarray(0, 512));
  const [item] = await read(Buffer.concat([name, mended(own), end]));
  assert.equal(item?.entry.path, long);
  assert.equal(item.entry.uid, 65_536);
  assert.equal(item.entry.mtimeNs, -2_000_000_000n);
});

async function refusal(bytes: Buffer, options?: ReadTarOptions, piece?: number): Promise<string> {
  try {
    await read(bytes, options, piece);
  } catch (error) {
    assert.ok(isGridError(error), String(error));
    return error.code;
  }
  return 'read';
}

test('a tar that stops early, lies or asks for too much is refused', async () => {
  const bytes = await written([fileOf('a', 'content'), fileOf('b', 'content')]);
  assert.equal(await refusal(bytes.subarray(0, 2048)), 'FLIST_TAR_INVALID');
  assert.equal(await refusal(bytes.subarray(0, 2048), { mayLackEnd: true }), 'read');
  assert.equal(await refusal(bytes.subarray(0, 700), { mayLackEnd: true }), 'FLIST_TAR_INVALID');
  assert.equal(await refusal(Buffer.alloc(0)), 'FLIST_TAR_INVALID');
  assert.equal(await refusal(Buffer.from('no tar '.repeat(100))), 'FLIST_TAR_INVALID');
  assert.equal(await refusal(bytes, { entriesMax: 1 }), 'FLIST_TOO_LARGE');

  const changed = (at: number, text: string): Buffer => {
    const copy = Buffer.from(bytes);
    copy.write(text, at, 'latin1');
    mended(copy.subarray(0, 512));
    return copy;
  };
  assert.equal(await refusal(changed(124, '77777777777')), 'FLIST_TAR_INVALID');
  assert.equal(await refusal(changed(124, '\xff'.repeat(12))), 'FLIST_TAR_INVALID');
  assert.equal(await refusal(changed(124, 'nonsense')), 'FLIST_TAR_INVALID');
  assert.equal(await refusal(changed(156, 'S')), 'FLIST_TAR_UNSUPPORTED');
  assert.equal(await refusal(changed(156, 'M')), 'FLIST_TAR_UNSUPPORTED');
  assert.equal(await refusal(changed(156, '2')), 'FLIST_TAR_INVALID');
  assert.equal(await refusal(changed(0, '\0')), 'FLIST_TAR_INVALID');
  const unmended = Buffer.from(bytes);
  unmended.write('z', 0);
  assert.equal(await refusal(unmended), 'FLIST_TAR_INVALID');
});

function withExtension(type: string, body: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(body.length.toString(8).padStart(11, '0'), 124);
  header.write(type, 156);
  header.write('ustar\x0000', 257, 'latin1');
  const own = Buffer.alloc(512);
  own.write('a', 0);
  own.write('0', 156);
  const padding = Buffer.alloc((512 - (body.length % 512)) % 512);
  return Buffer.concat([mended(header), body, padding, mended(own), Buffer.alloc(1024)]);
}

test('extended headers say only what can be understood', async () => {
  const pax = (text: string): Promise<string> => refusal(withExtension('x', Buffer.from(text)));
  assert.equal(await pax('11 path=ab\n'), 'read');
  assert.equal(await pax('9 path=\n'), 'FLIST_TAR_INVALID');
  assert.equal(await pax('8 path=\n'), 'read');
  assert.equal(await pax('11 path=ab\n\0\0\0'), 'read');
  assert.equal(await pax('99999999 path=ab\n'), 'FLIST_TAR_INVALID');
  assert.equal(await pax('11 path ab\n'), 'FLIST_TAR_INVALID');
  assert.equal(await pax('11 path=a\0\n'), 'FLIST_TAR_INVALID');
  assert.equal(await pax('10 size=x\n'), 'FLIST_TAR_INVALID');
  assert.equal(await pax('14 mtime=1e9\n'), 'FLIST_TAR_INVALID');
  assert.equal(await pax('22 GNU.sparse.major=1\n'), 'FLIST_TAR_UNSUPPORTED');
  const all = (text: string): Promise<string> => refusal(withExtension('g', Buffer.from(text)));
  assert.equal(await all('14 comment=ab\n'), 'read');
  assert.equal(await all('11 path=ab\n'), 'FLIST_TAR_UNSUPPORTED');
  assert.equal(await all('22 SCHILY.xattr.a.b=c\n'), 'FLIST_TAR_UNSUPPORTED');
  assert.equal(await refusal(withExtension('x', Buffer.alloc(2 ** 20 + 1))), 'FLIST_TOO_LARGE');
});

test('headers in a row, paths and what follows the end have their limits', async () => {
  const record = (text: string): Buffer => {
    const length = (digits: number): number => digits + 1 + text.length + 1;
    const digits = String(length(6)).length;
    return Buffer.from(`${length(digits)} ${text}\n`);
  };
  const inARow = (count: number): Buffer => {
    const one = withExtension('x', record('comment=a'));
    const header = one.subarray(0, 1024);
    return Buffer.concat([...Array.from({ length: count - 1 }, () => header), one]);
  };
  assert.equal(await refusal(inARow(8)), 'read');
  assert.equal(await refusal(inARow(9)), 'FLIST_TOO_LARGE');
  const named = (length: number): Buffer =>
    withExtension('x', record(`path=${'a/'.repeat(length).slice(0, length - 1)}a`));
  assert.equal(await refusal(named(262_144), {}, 2 ** 20), 'read');
  assert.equal(await refusal(named(262_145), {}, 2 ** 20), 'FLIST_TOO_LARGE');
  const followed = (length: number): Buffer =>
    Buffer.concat([withExtension('x', record('comment=a')), Buffer.alloc(length)]);
  assert.equal(await refusal(followed(64 * 2 ** 20), {}, 2 ** 20), 'read');
  assert.equal(await refusal(followed(64 * 2 ** 20 + 512), {}, 2 ** 20), 'FLIST_TOO_LARGE');
});
