import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError, writeFileAtomic } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { decodeFlist } from '../format/decode-flist.ts';
import { encodeFlist } from '../format/encode-flist.ts';
import { flistDigestOf, parseFlistDigest } from '../format/flist.ts';
import type { Flist, FlistDigest } from '../format/flist.ts';
import { chunkHashesOf, objectIdOf } from '../format/object-id.ts';
import type { ObjectId } from '../format/object-id.ts';
import { packFlist, unpackFlist } from '../format/pack-flist.ts';
import type { ChunkHash } from '../ports.ts';
import type { RegularFile } from '../tree/inode.ts';
import { filesOf } from './files-of.ts';
import type { ObjectLedger } from './object-ledger.ts';

/** Flists that a store knows; the one that was added first and is not pinned makes room. */
const knownFlistsMax = 256;

/** What pinned flists name. */
export interface PinnedNames {
  readonly objects: ReadonlySet<ObjectId>;
  readonly chunks: ReadonlySet<ChunkHash>;
}

/** The flists of a store, kept in `flists/`: which objects there are, and which mounts need them. */
export class KnownFlists {
  readonly #folder: string;
  readonly #ledger: ObjectLedger;
  readonly #flists = new Map<FlistDigest, Flist>();
  /** Made when somebody first asks for an object. */
  readonly #files = new Map<FlistDigest, ReadonlyMap<ObjectId, RegularFile>>();
  readonly #pins: Map<string, FlistDigest>;
  #pinned: PinnedNames | undefined;

  private constructor(folder: string, ledger: ObjectLedger) {
    this.#folder = join(folder, 'flists');
    this.#ledger = ledger;
    this.#pins = ledger.pins();
  }

  /** Knows again the flists that are pinned. */
  static async open(folder: string, ledger: ObjectLedger): Promise<KnownFlists> {
    const known = new KnownFlists(folder, ledger);
    await mkdir(known.#folder, { recursive: true, mode: 0o700 });
    for (const digest of new Set(known.#pins.values())) {
      const flist = await known.#read(digest);
      if (flist !== undefined) known.#flists.set(digest, flist);
    }
    return known;
  }

  get pins(): ReadonlyMap<string, FlistDigest> {
    return this.#pins;
  }

  get digests(): FlistDigest[] {
    return [...this.#flists.keys()];
  }

  /** @throws FLIST_STORE_FULL when 256 are pinned */
  async add(digest: FlistDigest, flist: Flist): Promise<void> {
    if (this.#flists.has(digest)) return;
    if (this.#flists.size >= knownFlistsMax) await this.#makeRoom();
    if ((await this.bytesOf(digest)) === undefined) {
      await writeFileAtomic(this.#pathOf(digest), await packFlist(encodeFlist(flist)));
    }
    this.#flists.set(digest, flist);
    this.#pinned = undefined;
  }

  /** One that was added, also before the store was opened. */
  async get(digest: FlistDigest): Promise<Flist | undefined> {
    return this.#flists.get(digest) ?? (await this.#read(digest));
  }

  /**
   * The canonical bytes of one that was added. Undefined also when the file is damaged: it is a
   * cache, and the flist can be added again.
   */
  async bytesOf(digest: FlistDigest): Promise<Buffer | undefined> {
    try {
      const bytes = await unpackFlist(await readFile(this.#pathOf(digest)));
      return flistDigestOf(bytes) === digest ? bytes : undefined;
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code?.startsWith('FLIST_') === true) return undefined;
      throw error;
    }
  }

  /** @throws FLIST_OBJECT_UNKNOWN when the flist was not added */
  pin(mount: string, digest: FlistDigest): void {
    if (!this.#flists.has(digest)) {
      throw new GridError<FlistErrorCode>('FLIST_OBJECT_UNKNOWN', `flist ${digest} is not known`);
    }
    this.#ledger.pin(mount, digest);
    this.#pins.set(mount, digest);
    this.#pinned = undefined;
  }

  unpin(mount: string): void {
    this.#ledger.unpin(mount);
    this.#pins.delete(mount);
    this.#pinned = undefined;
  }

  /** The objects of an flist that was added. */
  filesOf(digest: FlistDigest): ReadonlyMap<ObjectId, RegularFile> {
    const made = this.#files.get(digest);
    if (made !== undefined) return made;
    const flist = this.#flists.get(digest);
    const files = new Map<ObjectId, RegularFile>();
    if (flist === undefined) return files;
    for (const file of filesOf(flist.root)) files.set(objectIdOf(file), file);
    this.#files.set(digest, files);
    return files;
  }

  fileOf(object: ObjectId): RegularFile | undefined {
    for (const digest of this.#flists.keys()) {
      const file = this.filesOf(digest).get(object);
      if (file !== undefined) return file;
    }
    return undefined;
  }

  mountsOf(object: ObjectId): string[] {
    return [...this.#pins]
      .filter(([, digest]) => this.filesOf(digest).has(object))
      .map(([mount]) => mount);
  }

  /** Undefined while the flist of a pin is not known: then nobody knows what may be evicted. */
  get pinned(): PinnedNames | undefined {
    if (this.#pinned !== undefined) return this.#pinned;
    const objects = new Set<ObjectId>();
    const chunks = new Set<ChunkHash>();
    for (const digest of new Set(this.#pins.values())) {
      if (!this.#flists.has(digest)) return undefined;
      for (const [object, file] of this.filesOf(digest)) {
        if (objects.has(object)) continue;
        objects.add(object);
        for (const hash of chunkHashesOf(file)) chunks.add(hash);
      }
    }
    this.#pinned = { objects, chunks };
    return this.#pinned;
  }

  async #makeRoom(): Promise<void> {
    const used = new Set(this.#pins.values());
    const spare = this.digests.find((digest) => !used.has(digest));
    if (spare === undefined) {
      throw new GridError<FlistErrorCode>('FLIST_STORE_FULL', `${used.size} images are mounted`);
    }
    this.#flists.delete(spare);
    this.#files.delete(spare);
    await rm(this.#pathOf(spare), { force: true });
    await this.#dropStrangers(used);
  }

  /** Files of earlier runs, which nobody asked for since. */
  async #dropStrangers(used: ReadonlySet<FlistDigest>): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      const digest = parseFlistDigest(name.replace(/\.flist$/, ''));
      const isKnown = digest !== undefined && (used.has(digest) || this.#flists.has(digest));
      if (!isKnown) await rm(join(this.#folder, name), { force: true });
    }
  }

  async #read(digest: FlistDigest): Promise<Flist | undefined> {
    const bytes = await this.bytesOf(digest);
    return bytes && decodeFlist(bytes);
  }

  #pathOf(digest: FlistDigest): string {
    return join(this.#folder, `${digest}.flist`);
  }
}
