import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { closeOnce, errorCode, GridError, Mutex, throwIfAborted } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { FlistDigest } from '../format/flist.ts';
import { verifyFlistSignature } from '../format/flist-signature.ts';
import { packFlist, unpackFlist } from '../format/pack-flist.ts';
import type { ChunkHash, KeyDirectory, PackedChunk } from '../ports.ts';
import { FlistRepository } from '../store/flist-repository.ts';
import { nextTurn } from '../store/next-turn.ts';
import { RepositoryReader } from '../store/repository-reader.ts';
import type { CollectResult } from '../store/repository-upkeep.ts';
import { hashBytes } from '../tree/inode.ts';
import { flistFacts } from './heavy-work.ts';
import type { FlistFacts } from './flist-facts.ts';
import { HubDatabase } from './hub-database.ts';
import { HubNames } from './hub-names.ts';
import { HubNonces } from './hub-nonces.ts';
import { HubQuota } from './hub-quota.ts';
import type { HubReference } from './hub-reference.ts';
import { notFound } from './hub-status.ts';

export interface HubOptions {
  readonly folder: string;
  readonly keys: KeyDirectory;
  /** May change what all users have, by name. Default: nobody. */
  readonly owner?: string | undefined;
  /** Or by key. */
  readonly ownerKey?: string | undefined;
  /** Of each user who has no other. */
  readonly quotaBytes: number;
  /** For how long chunks and images are kept that nothing names. */
  readonly graceMs: number;
  readonly clock: Clock;
}

/** Who asks for a change. */
export interface Caller {
  readonly user: string;
  /** `ed25519:...` */
  readonly key: string;
}

export interface HubCollectResult extends CollectResult {
  readonly removedFlists: number;
}

/** Images that wait to be unpacked or merged, one after the other: each may take much memory. */
const heavyWaitingMax = 32;
/** Changes of names that wait. */
const changesWaitingMax = 1_000;

/** What a hub keeps and what may be done with it; `HubServer` gives it a port. */
export class Hub implements AsyncDisposable {
  readonly names: HubNames;
  readonly nonces: HubNonces;
  readonly quota: HubQuota;
  readonly repository: FlistRepository;
  readonly reader: RepositoryReader;
  readonly close: () => Promise<void>;
  readonly #options: HubOptions;
  readonly #db: HubDatabase;
  #ownerName: string | undefined;
  readonly #heavy = new Mutex({ maxWaiting: heavyWaitingMax });
  /** A name is put, or an image that nothing names removed; never both at a time. */
  readonly #changes = new Mutex({ maxWaiting: changesWaitingMax });

  private constructor(options: HubOptions, repository: FlistRepository, db: HubDatabase) {
    this.#options = options;
    this.#db = db;
    this.names = new HubNames(db);
    this.nonces = new HubNonces(db);
    this.quota = new HubQuota(db, options.quotaBytes, options.graceMs);
    this.repository = repository;
    this.reader = new RepositoryReader(imagesFolder(options.folder));
    this.close = closeOnce(async () => {
      await repository.close();
      db[Symbol.dispose]();
    });
  }

  /** @throws BASE_FOLDER_LOCKED, FLIST_VERSION_UNKNOWN */
  static async open(options: HubOptions): Promise<Hub> {
    const { folder, graceMs } = options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const repository = await FlistRepository.open({ folder: imagesFolder(folder), graceMs });
    try {
      return new Hub(options, repository, HubDatabase.open(join(folder, 'hub.sqlite')));
    } catch (error) {
      await repository.close();
      throw error;
    }
  }

  /**
   * Keeps chunks for good. Those before a bad one may stay: they are what they say.
   * @throws FLIST_CHUNK_CORRUPT, HUB_QUOTA_REACHED, ENOSPC and the like
   */
  async putChunks({ user }: Caller, chunks: readonly PackedChunk[]): Promise<void> {
    const there = await this.repository.hasChunks(chunks.map(({ hash }) => hash));
    const fresh = chunks.filter(({ hash }) => !there.has(hash));
    const bytes = fresh.reduce((sum, { packed }) => sum + packed.length, 0);
    if (bytes > 0) this.quota.bring(user, bytes, this.#nowMs());
    const puts = await Promise.allSettled(chunks.map((chunk) => this.repository.putPacked(chunk)));
    const failed = puts.find((put) => put.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    await this.repository.keepChunks(new Set(chunks.map(({ hash }) => hash)));
  }

  /**
   * Keeps an image whose chunks are there.
   * @throws FLIST_CHUNKS_MISSING, FLIST_CORRUPT and the like, HUB_QUOTA_REACHED
   */
  putFlist({ user }: Caller, digest: FlistDigest, packed: Uint8Array): Promise<void> {
    return this.#heavy.run(async () => {
      const facts = await flistFacts([await unpackFlist(packed)]);
      if (facts.digest !== digest) {
        throw new GridError<FlistErrorCode>('FLIST_CORRUPT', `these bytes are not flist ${digest}`);
      }
      await this.#keep(user, facts, packed.length);
    });
  }

  /** @throws FLIST_SIGNATURE_INVALID, HUB_DENIED, HUB_NOT_FOUND, FLIST_TOO_LARGE */
  async putSignature({ user }: Caller, digest: FlistDigest, json: unknown): Promise<void> {
    const key = verifyFlistSignature(json, digest);
    if ((await this.#options.keys.userOf(key.text)) !== user) {
      throw denied(`key ${key.text} is not one of ${user}`);
    }
    await this.#changes.run(async () => {
      if (!(await this.hasFlist(digest))) throw notFound(`flist ${digest}`);
      await this.repository.putSignature(digest, key.text, JSON.stringify(json));
    });
  }

  /** @throws HUB_DENIED, HUB_NOT_FOUND, HUB_LINK_LOOP, HUB_QUOTA_REACHED, HUB_TOO_LARGE */
  async putName(
    caller: Caller,
    reference: HubReference,
    what: { readonly digest: FlistDigest } | { readonly link: string },
  ): Promise<void> {
    this.#checkMay(caller, reference);
    await this.#changes.run(async () => {
      if ('digest' in what && !(await this.hasFlist(what.digest))) {
        throw notFound(`flist ${what.digest}`);
      }
      this.#db.transaction(() => {
        this.names.put(reference, { ...what, atMs: this.#nowMs(), key: caller.key });
        this.quota.checkNames(reference.user);
      });
    });
  }

  /** Gives the image of one name another name, too. @throws what `resolve` and `putName` throw */
  async promote(caller: Caller, from: HubReference, to: HubReference): Promise<FlistDigest> {
    const { digest } = this.names.resolve(from);
    await this.putName(caller, to, { digest });
    return digest;
  }

  /** Makes an image of two or more, the last on top, and names it. @throws FLIST_TOO_LARGE and the like */
  async merge(
    caller: Caller,
    from: readonly HubReference[],
    to: HubReference,
  ): Promise<FlistDigest> {
    this.#checkMay(caller, to);
    const digest = await this.#heavy.run(async () => {
      // Two at a time in memory: merging from the first to the last gives the same as all at once.
      let merged: FlistFacts | undefined;
      let under: Uint8Array | undefined;
      for (const reference of from) {
        const next = await this.#read(this.names.resolve(reference).digest);
        merged = under && (await flistFacts([under, next]));
        under = merged?.bytes ?? next;
      }
      if (merged === undefined) throw notFound('image to merge');
      await this.#keep(caller.user, merged, (await packFlist(merged.bytes)).length);
      return merged.digest;
    });
    await this.putName(caller, to, { digest });
    return digest;
  }

  /** @throws HUB_DENIED, HUB_TOO_LARGE */
  describe(
    caller: Caller,
    reference: HubReference,
    description: string,
    labels: Readonly<Record<string, string>>,
  ): void {
    this.#checkMay(caller, reference);
    const nowMs = this.#nowMs();
    this.#db.transaction(() => this.names.describe(reference, description, labels, nowMs));
  }

  /** Removes a tag, or a repository for its name. @throws HUB_DENIED, HUB_NOT_FOUND */
  remove(caller: Caller, reference: HubReference): void {
    this.#checkMay(caller, reference);
    if (!this.#db.transaction(() => this.names.remove(reference))) throw notFound('such name');
  }

  /** Forgets what a name said before. Returns how much. @throws HUB_DENIED */
  forget(caller: Caller, reference: HubReference): number {
    this.#checkMay(caller, reference);
    return this.#db.transaction(() => this.names.forget(reference));
  }

  /** Sets what a user may take, or with undefined that of everybody again. @throws HUB_DENIED */
  setQuota(caller: Caller, user: string, bytes: number | undefined): void {
    if (!this.#isOwner(caller)) throw denied(`${caller.user} is not the owner of the hub`);
    this.quota.set(user, bytes);
  }

  /** Name of the user whose the hub is; undefined where nobody's, or unknown to the directory. */
  async owner(signal?: AbortSignal): Promise<string | undefined> {
    const { owner, ownerKey, keys } = this.#options;
    if (owner !== undefined || ownerKey === undefined) return owner;
    try {
      this.#ownerName = await keys.userOf(ownerKey, signal);
    } catch (error) {
      // It lets nobody do anything: the last one known will do.
      if (this.#ownerName === undefined) throw error;
    }
    return this.#ownerName;
  }

  async hasFlist(digest: FlistDigest): Promise<boolean> {
    if (this.#db.get('SELECT 1 FROM flists WHERE digest = ?', digest) === undefined) return false;
    return stat(this.reader.flistPath(digest)).then(
      () => true,
      (error: unknown) => {
        if (errorCode(error) === 'ENOENT') return false;
        throw error;
      },
    );
  }

  /** Removes images and chunks that nothing names and that are older than the grace. */
  async collect(options: { readonly signal?: AbortSignal } = {}): Promise<HubCollectResult> {
    const beforeMs = this.#nowMs() - this.#options.graceMs;
    let removedFlists = 0;
    for await (const digest of this.reader.listFlists()) {
      throwIfAborted(options.signal);
      const isRemoved = await this.#changes.run(async () => {
        if (this.names.isNamed(digest) || this.#broughtMs(digest) > beforeMs) return false;
        await this.repository.removeFlist(digest);
        return true;
      });
      if (isRemoved) removedFlists++;
    }
    this.#db.run(
      `DELETE FROM flists WHERE brought_ms <= ? AND digest NOT IN
        (SELECT digest FROM versions WHERE digest IS NOT NULL)`,
      beforeMs,
    );
    return { removedFlists, ...(await this.repository.collect(options)) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #keep(user: string, facts: FlistFacts, packedBytes: number): Promise<void> {
    const { digest, bytes, contentBytes, chunkHashes } = facts;
    const nowMs = this.#nowMs();
    if (!(await this.hasFlist(digest))) this.quota.bring(user, packedBytes, nowMs);
    // Before its file: so no collection takes a file for older than it is.
    await this.#changes.run(() =>
      this.#db.run(
        'INSERT OR REPLACE INTO flists VALUES (?, ?, ?)',
        // Not what it takes packed: whoever brings it again says how it is packed.
        ...[digest, contentBytes + bytes.length, nowMs],
      ),
    );
    await this.repository.keepFlist(digest, bytes, await hashesIn(chunkHashes));
  }

  /** Canonical bytes. */
  async #read(digest: FlistDigest): Promise<Buffer> {
    const bytes = await this.reader.getFlistBytes(digest);
    if (bytes === undefined) throw notFound(`flist ${digest}`);
    return bytes;
  }

  #broughtMs(digest: FlistDigest): number {
    const row = this.#db.get('SELECT brought_ms FROM flists WHERE digest = ?', digest);
    return Number(row?.['brought_ms'] ?? 0);
  }

  #checkMay(caller: Caller, reference: HubReference): void {
    if (caller.user === reference.user || this.#isOwner(caller)) return;
    throw denied(`${caller.user} may not change what ${reference.user} has`);
  }

  #isOwner({ user, key }: Caller): boolean {
    const { owner, ownerKey } = this.#options;
    return user === owner || key === ownerKey;
  }

  #nowMs(): number {
    return this.#options.clock.nowMs();
  }
}

function imagesFolder(folder: string): string {
  return join(folder, 'images');
}

/** Hashes that are made text before others get a turn. */
const hashesAtOnce = 10_000;

async function hashesIn(chunkHashes: Uint8Array): Promise<Set<ChunkHash>> {
  const hashes = new Set<ChunkHash>();
  for (let at = 0; at < chunkHashes.length; at += hashBytes) {
    hashes.add(chunkHashes.subarray(at, at + hashBytes).toHex() as ChunkHash);
    if (hashes.size % hashesAtOnce === 0) await nextTurn();
  }
  return hashes;
}

function denied(message: string): GridError<FlistErrorCode> {
  return new GridError('HUB_DENIED', message, { hint: 'use a key of that user' });
}
