import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import {
  closeOnce,
  FolderLock,
  GridError,
  removeFileDurably,
  syncFolder,
  throwIfAborted,
  writeFileAtomic,
} from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { decodeFlist } from '../format/decode-flist.ts';
import { flistDigestOf } from '../format/flist.ts';
import type { Flist, FlistDigest } from '../format/flist.ts';
import { chunkHashesOf } from '../format/object-id.ts';
import { packFlist, unpackFlist } from '../format/pack-flist.ts';
import type { ChunkHash, ChunkSink, ChunkSource, PackedChunk } from '../ports.ts';
import { filesOf } from './files-of.ts';
import { BlobFolder } from './blob-folder.ts';
import { hashOfChunk, packChunk, unpackChunk } from './chunk-codec.ts';
import { Gate } from './gate.ts';
import { nextTurn } from './next-turn.ts';
import type { PaceOptions } from './pace.ts';
import { repackChunks } from './repack-chunks.ts';
import type { RepackResult } from './repack-chunks.ts';
import { RepositoryReader, signatureName } from './repository-reader.ts';
import { collectChunks, scrubChunks } from './repository-upkeep.ts';
import type { CollectResult, RepositoryScrubResult } from './repository-upkeep.ts';

export interface FlistRepositoryOptions {
  /** Made where it is not there. One process at a time. */
  readonly folder: string;
  /** For people and events. Default: the folder. */
  readonly name?: string;
  /** For how long chunks that no flist names are kept, since an upload may be under way. Default 24 h. */
  readonly graceMs?: number;
}

/** Missing chunks that an error names. */
const namedChunksMax = 1_000;

/** Chunks that are hashed, packed and written at a time. */
const putsMax = 4;

/** Signatures that are kept for one flist. */
const signaturesMax = 64;

/**
 * Flists, their chunks and signatures in a folder: what makers write and a hub serves. An flist is
 * never there before all of its chunks are there for good.
 */
export class FlistRepository implements ChunkSink, ChunkSource {
  readonly name: string;
  readonly close: () => Promise<void>;
  readonly #folder: string;
  readonly #reader: RepositoryReader;
  readonly #blobs: BlobFolder;
  readonly #gate = new Gate(putsMax);

  private constructor(options: FlistRepositoryOptions, blobs: BlobFolder, lock: FolderLock) {
    this.#folder = options.folder;
    this.#reader = new RepositoryReader(options.folder);
    this.name = options.name ?? options.folder;
    this.#blobs = blobs;
    this.close = closeOnce(async () => {
      try {
        await blobs.sync();
      } finally {
        await lock.close();
      }
    });
  }

  /** @throws BASE_FOLDER_LOCKED */
  static async open(options: FlistRepositoryOptions): Promise<FlistRepository> {
    const { folder, graceMs = 24 * 3600 * 1000 } = options;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const lock = await FolderLock.open(folder);
    try {
      const blobs = await BlobFolder.open(folder, graceMs);
      await mkdir(join(folder, 'flists'), { recursive: true });
      await mkdir(join(folder, 'signatures'), { recursive: true });
      await syncFolder(folder);
      return new FlistRepository(options, blobs, lock);
    } catch (error) {
      await lock.close();
      throw error;
    }
  }

  /** Takes the plaintext of a chunk. It is there for good after `sync`. @throws ENOSPC and the like */
  put(plaintext: Uint8Array): Promise<ChunkHash> {
    return this.#gate.run(async () => {
      const hash = await hashOfChunk(plaintext);
      if (!this.#blobs.touch(hash)) await this.#blobs.write(hash, await packChunk(plaintext));
      return hash;
    });
  }

  /**
   * Takes a chunk as it was packed by somebody else.
   * @throws FLIST_CHUNK_CORRUPT
   */
  putPacked({ hash, packed }: PackedChunk): Promise<void> {
    return this.#gate.run(async () => {
      await unpackChunk(hash, packed);
      if (!this.#blobs.touch(hash)) await this.#blobs.write(hash, packed);
    });
  }

  /** Makes sure that chunks put so far survive a power cut. */
  sync(): Promise<void> {
    return this.#blobs.sync();
  }

  /**
   * Makes sure that just these chunks are there and survive a power cut.
   * @throws FLIST_CHUNKS_MISSING (details: how many, and up to 1,000 hashes)
   */
  async keepChunks(hashes: ReadonlySet<ChunkHash>): Promise<void> {
    for (;;) {
      const { lostChunks } = this.#blobs;
      const found = await this.hasChunks(hashes);
      if (found.size < hashes.size) throw chunksMissing([...hashes.difference(found)]);
      await this.#blobs.sync();
      // A sync that others waited for may have failed for one of these.
      if (this.#blobs.lostChunks === lostChunks) return;
    }
  }

  /** Which of the chunks are there; those stay for the time of the grace. */
  async hasChunks(hashes: Iterable<ChunkHash>): Promise<Set<ChunkHash>> {
    const found = new Set<ChunkHash>();
    let looked = 0;
    for (const hash of hashes) {
      if (this.#blobs.touch(hash)) found.add(hash);
      if (++looked % looksAtOnce === 0) await nextTurn();
    }
    return found;
  }

  async *fetch(
    hashes: readonly ChunkHash[],
    signal: AbortSignal,
  ): AsyncGenerator<PackedChunk, void> {
    for (const hash of hashes) {
      throwIfAborted(signal);
      const packed = await this.#blobs.read(hash);
      if (packed !== undefined) yield { hash, packed };
    }
  }

  /**
   * Keeps an flist whose chunks are all there, and returns once it is there for good.
   * @param packed as `packFlist` makes it
   * @throws FLIST_CHUNKS_MISSING (details: how many, and up to 1,000 hashes), FLIST_CORRUPT,
   *   FLIST_TOO_LARGE and whatever `decodeFlist` throws
   */
  async putFlist(packed: Uint8Array): Promise<FlistDigest> {
    const bytes = await unpackFlist(packed);
    const digest = flistDigestOf(bytes);
    await this.keepFlist(digest, bytes, chunksOf(decodeFlist(bytes)));
    return digest;
  }

  /**
   * `putFlist` for who has decoded it, and knows its digest and chunks.
   * @throws FLIST_CHUNKS_MISSING
   */
  async keepFlist(
    digest: FlistDigest,
    bytes: Uint8Array,
    chunks: ReadonlySet<ChunkHash>,
  ): Promise<void> {
    await this.keepChunks(chunks);
    const path = this.#reader.flistPath(digest);
    const folder = dirname(path);
    await mkdir(folder, { recursive: true });
    await syncFolder(dirname(folder));
    await writeFileAtomic(path, await packFlist(bytes));
  }

  /** @throws FLIST_CORRUPT when the file is damaged: remove it and put it again */
  getFlist(digest: FlistDigest): Promise<Flist | undefined> {
    return this.#reader.getFlist(digest);
  }

  /** As it is kept and sent: a zstd frame. Undefined when it is not there. */
  getPackedFlist(digest: FlistDigest): Promise<Buffer | undefined> {
    return this.#reader.getPackedFlist(digest);
  }

  /** In the order of their digests. */
  listFlists(): AsyncGenerator<FlistDigest, void> {
    return this.#reader.listFlists();
  }

  /** Removes an flist with its signatures; its chunks go with a collection. False: not there. */
  async removeFlist(digest: FlistDigest): Promise<boolean> {
    const wasThere = await removeFileDurably(this.#reader.flistPath(digest));
    await rm(this.#reader.signatureFolder(digest), { recursive: true, force: true });
    return wasThere;
  }

  /**
   * Keeps a signature, which nobody checks here, in place of an earlier one by the same key.
   * @param key `ed25519:...`
   * @throws FLIST_TOO_LARGE beyond 64 signatures, FLIST_SIGNATURE_INVALID when that is no key
   */
  async putSignature(digest: FlistDigest, key: string, json: string): Promise<void> {
    const name = signatureName(key);
    const folder = this.#reader.signatureFolder(digest);
    await mkdir(folder, { recursive: true });
    const names = await this.#reader.signatureNames(digest);
    if (!names.includes(name) && names.length >= signaturesMax) {
      throw new GridError<FlistErrorCode>(
        'FLIST_TOO_LARGE',
        `flist ${digest} has ${signaturesMax} signatures already`,
      );
    }
    await writeFileAtomic(join(folder, name), json);
    await syncFolder(join(this.#folder, 'signatures'));
  }

  /** The signatures of an flist, by key. */
  listSignatures(digest: FlistDigest): Promise<string[]> {
    return this.#reader.listSignatures(digest);
  }

  /**
   * Removes chunks that no flist names and that are older than the grace. It may run beside
   * uploads: whatever they put or asked for is younger. Memory: about 100 bytes a chunk.
   * @throws FLIST_CORRUPT when an flist cannot be read: then nothing is removed
   */
  async collect(options: { readonly signal?: AbortSignal } = {}): Promise<CollectResult> {
    const named = new Set<ChunkHash>();
    for await (const digest of this.listFlists()) {
      throwIfAborted(options.signal);
      const flist = await this.getFlist(digest);
      if (flist !== undefined) for (const hash of chunksOf(flist)) named.add(hash);
    }
    return collectChunks(this.#blobs, named, options);
  }

  /** Reads all chunks, verifies them, and removes those that are damaged. */
  scrub(options: PaceOptions = {}): Promise<RepositoryScrubResult> {
    return scrubChunks(this.#blobs, options);
  }

  /**
   * Packs chunks again with as few bytes as zstd can, which takes a second for 4 MB; each only once.
   * They may be read meanwhile.
   */
  repack(options: PaceOptions = {}): Promise<RepackResult> {
    return repackChunks(this.#blobs, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Names that are looked up before others get a turn. */
const looksAtOnce = 256;

function chunksOf(flist: Flist): Set<ChunkHash> {
  const hashes = new Set<ChunkHash>();
  for (const file of filesOf(flist.root)) {
    for (const hash of chunkHashesOf(file)) hashes.add(hash);
  }
  return hashes;
}

function chunksMissing(hashes: readonly ChunkHash[]): GridError<FlistErrorCode> {
  return new GridError('FLIST_CHUNKS_MISSING', `${hashes.length} chunks of the flist are missing`, {
    hint: 'put those chunks first',
    details: { count: hashes.length, hashes: hashes.slice(0, namedChunksMax) },
  });
}
