import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { waitFor } from '@commongrid/base';
import { type TempFolder, tempFolder } from '@commongrid/base/testing';
import { Catalog } from '../../src/catalog/catalog.ts';
import type { CatalogOptions } from '../../src/catalog/catalog.ts';
import { ZdbMember } from '../../src/catalog/zdb-member.ts';
import { FolderSnapshots } from '../../src/testing/folder-snapshots.ts';
import { ZdbProcess } from './zdb-process.ts';

export const metadataKey: Buffer = Buffer.alloc(32, 7);

export const schema: readonly string[] = [
  'CREATE TABLE register (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID',
];

/** Members by name, in one process or in one each, and heads on them. */
export class CatalogFixture implements AsyncDisposable {
  readonly folder: TempFolder;
  readonly servers: readonly ZdbProcess[];
  readonly places: ReadonlyMap<string, { port: number; namespace: string }>;
  readonly #stack: AsyncDisposableStack;

  constructor(
    folder: TempFolder,
    servers: readonly ZdbProcess[],
    places: ReadonlyMap<string, { port: number; namespace: string }>,
    stack: AsyncDisposableStack,
  ) {
    this.folder = folder;
    this.servers = servers;
    this.places = places;
    this.#stack = stack;
  }

  /** `spares` more members than `count`, which belong to no log. */
  static async open({ count = 5, spares = 0, processes = 1 } = {}): Promise<CatalogFixture> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await tempFolder('catalog'));
    const names = Array.from({ length: count + spares }, (_, i) => `m${i}`);
    const opened = Array.from({ length: processes }, async (_, p) => {
      const namespaces = names.filter((_name, i) => i % processes === p);
      return stack.use(await ZdbProcess.open(join(folder.path, `zdb${p}`), namespaces));
    });
    const servers = await Promise.all(opened);
    const places = names.map((name, i) => {
      return [name, { port: servers[i % processes]?.port ?? 0, namespace: name }] as const;
    });
    await using owned = new AsyncDisposableStack();
    const fixture = new CatalogFixture(folder, servers, new Map(places), stack.move());
    owned.use(fixture);
    await Catalog.found(fixture.place(names.slice(0, count)));
    owned.move();
    return fixture;
  }

  /** The first five members, unless it is others. */
  place(members: readonly string[] = ['m0', 'm1', 'm2', 'm3', 'm4']): {
    metadataKey: Buffer;
    members: readonly string[];
    openMember: CatalogOptions['openMember'];
  } {
    const openMember = (name: string, timeoutMs = 2_000): ZdbMember => {
      const { port = 1, namespace = '' } = this.places.get(name) ?? {};
      return new ZdbMember({ name, port, namespace, timeoutMs });
    };
    return { metadataKey, members, openMember };
  }

  options(head: string, more: Partial<CatalogOptions> = {}): CatalogOptions {
    return {
      ...this.place(),
      folder: join(this.folder.path, head),
      schema,
      snapshots: new FolderSnapshots(join(this.folder.path, 'snapshots')),
      ...more,
    };
  }

  async head(name: string, more: Partial<CatalogOptions> = {}): Promise<Catalog> {
    return this.#stack.use(await Catalog.open(this.options(name, more)));
  }

  async serving(name: string, more: Partial<CatalogOptions> = {}): Promise<Catalog> {
    const head = await this.head(name, more);
    await head.takeOver();
    return head;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

export function setRegister(name: string, value: number): (db: DatabaseSync) => void {
  return (db) => {
    db.prepare('INSERT OR REPLACE INTO register VALUES (?, ?)').run(name, value);
  };
}

/** One record each, over twenty registers. */
export async function writeMany(head: Catalog, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await head.write(setRegister(`r${i % 20}`, i));
}

/** None of a head that has not read its first record yet, with which the table comes. */
export function registersOf(catalog: Catalog): Record<string, number> {
  const rows = catalog.read((db) => {
    const made = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'register'").get();
    return made === undefined ? [] : db.prepare('SELECT name, value FROM register').all();
  });
  return Object.fromEntries(rows.map((row) => [String(row['name']), Number(row['value'])]));
}

/** Waits until `condition` holds, for a minute at most: machines can be busy. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  await waitFor(condition, { timeoutMs: 60_000, what });
}
