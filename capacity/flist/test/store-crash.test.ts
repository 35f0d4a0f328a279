import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { seededRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import fc from 'fast-check';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { packFlist } from '../src/format/pack-flist.ts';
import type { FlistDigest } from '../src/format/flist.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { ObjectStore } from '../src/store/object-store.ts';
import { imageOf } from './store-images.ts';
import type { TestImage } from './store-images.ts';
import { digestOf, MemorySource, sourcesOf } from './store-sources.ts';

const maxBytes = 1e9;

/** Every file in `objects/` is what its name says, and every read gives what the image has. */
async function assertSound(store: ObjectStore, image: TestImage): Promise<void> {
  const contentOf = new Map(
    Object.entries(image.contents).map(([name, content]) => [image.idOf(name), content]),
  );
  for (const entry of await readdir(store.objectsFolder, {
    recursive: true,
    withFileTypes: true,
  })) {
    if (!entry.isFile()) continue;
    const content = [...contentOf].find(([id]) => id === entry.name)?.[1];
    assert.deepEqual(await readFile(join(entry.parentPath, entry.name)), content);
  }
  for (const [name, file] of image.files) await assertReads(store, image, name, file.sizeBytes);
}

async function assertReads(
  store: ObjectStore,
  image: TestImage,
  name: string,
  sizeBytes: number,
): Promise<void> {
  const parts: Buffer[] = [];
  for (let index = 0; index * 524_288 < sizeBytes; index++) {
    parts.push(await store.readChunk(image.idOf(name), index));
  }
  assert.deepEqual(Buffer.concat(parts), image.contents[name]);
}

async function fetchAndKill(args: readonly string[], afterFiles: number): Promise<void> {
  const script = join(import.meta.dirname, 'store-crash-child.ts');
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let files = 0;
  child.stdout.on('data', (text: Buffer) => {
    files += text.length;
    if (files >= afterFiles) child.kill('SIGKILL');
  });
  const [code, signal]: unknown[] = await once(child, 'close');
  assert.ok(signal === 'SIGKILL' || code === 0, `the child ended with ${String(code)}`);
}

test('a store whose process was killed while it fetched gives no wrong byte', async () => {
  await using folder = await tempFolder('flist');
  const small = Array.from(
    { length: 60 },
    (_, index) => [`s${index}`, randomBytes(3_000)] as const,
  );
  const image = imageOf({ ...Object.fromEntries(small), big: randomBytes(1_500_000) });
  const [storeFolder, repositoryFolder] = [join(folder.path, 'store'), join(folder.path, 'repo')];
  const repository = await FlistRepository.open({ folder: repositoryFolder });
  for (const chunk of image.chunks) await repository.put(chunk);
  const digest = await repository.putFlist(await packFlist(encodeFlist(image.flist)));
  await repository.close();
  for (const afterFiles of [1, 25]) {
    await fetchAndKill([storeFolder, repositoryFolder, digest], afterFiles);
    const sources = sourcesOf(new MemorySource(image.chunks));
    await using store = await ObjectStore.open({ folder: storeFolder, maxBytes, sources });
    assert.deepEqual([...store.pins], [['child', digest]]);
    assert.ok(store.usage.objects >= afterFiles - 1, 'what it said it has, it has');
    assert.deepEqual(await readdir(join(storeFolder, 'temp')), []);
    if (afterFiles > 1) await assertSound(store, image);
  }
});

test('a store whose ledger has flipped bytes, or none, gives no wrong byte', async () => {
  await using folder = await tempFolder('flist');
  const files = Array.from({ length: 40 }, (_, index) => [`f${index}`, randomBytes(500)] as const);
  const image = imageOf({ ...Object.fromEntries(files), two: randomBytes(600_000) });
  const random = seededRandom('flips');
  const original = join(folder.path, 'original');
  const sources = sourcesOf(new MemorySource(image.chunks));
  const store = await ObjectStore.open({ folder: original, maxBytes, sources });
  await store.addFlist(digestOf(image), image.flist);
  await store.prefetch(digestOf(image), { whole: true });
  await store.close();
  for (let round = 0; round < 6; round++) {
    const copy = join(folder.path, `copy${round}`);
    await cp(original, copy, { recursive: true });
    const ledger = join(copy, 'ledger.db');
    await writeFile(ledger, round === 0 ? '' : flipped(await readFile(ledger), random));
    await using opened = await ObjectStore.open({ folder: copy, maxBytes, sources });
    await opened.addFlist(digestOf(image), image.flist);
    await opened.verifyObjectsOf(digestOf(image));
    await assertSound(opened, image);
  }
});

function flipped(bytes: Buffer, random: Random): Buffer {
  for (let flips = 0; flips < 20; flips++) {
    const at = random.int(0, bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(0, 8));
  }
  return bytes;
}

type Step =
  | { readonly kind: 'need' | 'read' | 'flip' | 'remove'; readonly file: number }
  | { readonly kind: 'pin' | 'unpin'; readonly image: number }
  | { readonly kind: 'crash' | 'reopen' | 'scrub' };

const file = fc.nat({ max: 7 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom('need', 'read'), file }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('flip', 'remove'), file }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('pin', 'unpin'), image: fc.nat({ max: 1 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('crash', 'reopen', 'scrub') }) },
);

const contents = Object.fromEntries(
  [1_000, 40_000, 700_000, 90_000, 3_000, 600_000, 120_000, 10].map((sizeBytes, index) => [
    `f${index}`,
    randomBytes(sizeBytes),
  ]),
);
const all = imageOf(contents);
/** Two images, each with half of the files. */
const images = [0, 1].map((half) =>
  imageOf(Object.fromEntries(Object.entries(contents).filter((_, index) => index % 2 === half))),
);
const modelBytes = 1_100_000;

/** A store, and what it must have: files of pinned images that it had whole stay. */
class Model implements AsyncDisposable {
  readonly #base: string;
  #folder: string;
  #store: ObjectStore;
  readonly #pinned = new Map<string, TestImage>();
  readonly #mustHave = new Set<string>();
  #crashes = 0;

  private constructor(base: string, folder: string, store: ObjectStore) {
    this.#base = base;
    this.#folder = folder;
    this.#store = store;
  }

  static async open(base: string): Promise<Model> {
    const folder = join(base, 'store');
    return new Model(base, folder, await Model.#openStore(folder));
  }

  static async #openStore(folder: string): Promise<ObjectStore> {
    const sources = sourcesOf(new MemorySource(all.chunks));
    const store = await ObjectStore.open({ folder, maxBytes: modelBytes, sources });
    for (const image of [all, ...images]) await store.addFlist(digestOf(image), image.flist);
    return store;
  }

  async run(one: Step): Promise<void> {
    if ('image' in one) this.#pin(one.kind, one.image);
    else if ('file' in one) await this.#touch(one.kind, `f${one.file}`);
    else if (one.kind === 'scrub') await this.#store.scrub();
    else await this.#reopen(one.kind);
    this.#check();
  }

  async #touch(kind: string, name: string): Promise<void> {
    const id = all.idOf(name);
    const path = join(this.#store.objectsFolder, id.slice(0, 2), id);
    if (kind === 'flip' || kind === 'remove') {
      const bytes = await readFile(path).catch(() => undefined);
      if (bytes === undefined) return;
      this.#mustHave.delete(name);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await writeFile(path, kind === 'flip' ? bytes : '');
      return;
    }
    if (kind === 'need') await this.#store.need(id, 0, 2).catch(() => undefined);
    await assertReads(this.#store, all, name, contents[name]?.length ?? 0);
    const isPinned = [...this.#pinned.values()].some((image) => image.files.has(name));
    if (isPinned && this.#store.hasObject(id)) this.#mustHave.add(name);
  }

  #pin(kind: string, index: number): void {
    const image = images[index];
    assert.ok(image !== undefined);
    const mount = `mount${index}`;
    if (kind === 'pin') {
      this.#store.pin(mount, digestOf(image));
      this.#pinned.set(mount, image);
      return;
    }
    this.#store.unpin(mount);
    this.#pinned.delete(mount);
    for (const name of image.files.keys()) this.#mustHave.delete(name);
  }

  /** After a crash the folder is what it was at that moment: a copy of it. */
  async #reopen(kind: 'crash' | 'reopen'): Promise<void> {
    const before = this.#folder;
    if (kind === 'crash') {
      this.#folder = join(this.#base, `after${this.#crashes++}`);
      await cp(before, this.#folder, { recursive: true });
    }
    await this.#store.close();
    this.#store = await Model.#openStore(this.#folder);
  }

  #check(): void {
    const { usedBytes } = this.#store.usage;
    assert.ok(usedBytes >= 0 && usedBytes <= modelBytes, `${usedBytes} bytes are used`);
    const pins = [...this.#pinned].map(([mount, image]) => [mount, digestOf(image)]);
    assert.deepEqual(new Map(this.#store.pins), new Map<string, FlistDigest>(pins as []));
    for (const name of this.#mustHave) assert.ok(this.#store.hasObject(all.idOf(name)), name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store.close();
  }
}

test('a store keeps its word through reads, evictions, pins, flips and crashes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      await using folder = await tempFolder('flist');
      await using model = await Model.open(folder.path);
      for (const one of steps) await model.run(one);
    }),
    { numRuns: 5, seed: 20_261_121 },
  );
});
