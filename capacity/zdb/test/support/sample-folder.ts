import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Namespace } from '../../src/engine/namespace.ts';
import { Store } from '../../src/engine/store.ts';

/** A folder for one test, removed after it. */
export class TestFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<TestFolder> {
    return new TestFolder(await mkdtemp(join(tmpdir(), 'zdb-offline-')));
  }

  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** A store whose clock moves on by a second at every look. */
export async function openTicking(folder: string, segmentBytes = 1024 * 1024): Promise<Store> {
  let seconds = 1_700_000_000;
  return Store.open({ folder, segmentBytes, nowMs: () => seconds++ * 1000 });
}

export async function put(
  store: Store,
  namespace: Namespace,
  key: string | Buffer,
  value: string | Buffer,
): Promise<void> {
  const [k, v] = [Buffer.from(key), Buffer.from(value)];
  const all = Buffer.concat([k, v]);
  const done = await store.retrying(() =>
    store.set(namespace, all, 0, k.length, k.length, v.length, store.nowSeconds()),
  );
  if (done !== 'written') throw new Error(`${String(key)}: ${done}`);
}

export async function remove(store: Store, namespace: Namespace, key: string): Promise<void> {
  const k = Buffer.from(key);
  await store.retrying(() => store.delete(namespace, k, 0, k.length, store.nowSeconds()));
}

export async function get(store: Store, name: string, key: string): Promise<string | undefined> {
  const namespace = store.namespaces.get(name);
  if (namespace === undefined) throw new Error(`no namespace ${name}`);
  const k = Buffer.from(key);
  const found = await store.retrying(() => store.lookup(namespace, k, 0, k.length));
  return found === 'live' ? store.value().toString() : undefined;
}

/**
 * Fills a new folder: three namespaces, versions, deletions, a removed namespace, and filler enough
 * for several segments of 1 MiB.
 */
export async function fillSample(folder: string): Promise<void> {
  const store = await openTicking(folder);
  const files = store.createNamespace('files', 'user');
  const log = store.createNamespace('log', 'seq');
  const gone = store.createNamespace('gone', 'user');
  store.putSettings({
    ...files.settings,
    password: 'secret',
    isPublic: false,
    history: { keep: 'all', limit: 0 },
  });
  for (let i = 0; i < 30; i++) {
    await put(store, files, `file-${i % 10}`, `version ${i} `.padEnd(100_000, 'x'));
    await put(store, store.namespaces.default, `key-${i}`, `value ${i}`);
    await put(store, gone, `k${i}`, 'nobody sees this');
    const id = Buffer.alloc(8);
    id.writeUInt32LE(log.nextId++);
    await put(store, log, id, `line ${i}`);
    if (i % 7 === 3) await remove(store, store.namespaces.default, `key-${i - 1}`);
    store.log.turn();
  }
  store.removeNamespace(gone);
  await remove(store, files, 'file-3');
  await store.log.flush();
  await store.maintenance.checkpoint();
  await put(store, files, 'after', 'the checkpoint');
  await store.close();
}

/** Changes one byte of a file. */
export async function flipByte(file: string, offset: number): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, offset);
    byte[0] = (byte[0] ?? 0) ^ 0x10;
    await handle.write(byte, 0, 1, offset);
  } finally {
    await handle.close();
  }
}

/** SHA-256 of every file of a folder, but of the lock. */
export async function fingerprint(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(folder)).sort()) {
    if (name === 'LOCK') continue;
    const bytes = await readFile(join(folder, name));
    found[name] = createHash('sha256').update(bytes).digest('hex');
  }
  return found;
}
