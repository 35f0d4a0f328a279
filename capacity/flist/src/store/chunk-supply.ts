import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { ObjectId } from '../format/object-id.ts';
import type { ChunkHash } from '../ports.ts';
import { batchHashesMax } from '../sources/chunk-frames.ts';
import type { SourceSet } from '../sources/source-set.ts';
import { chunkBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';
import { hashOfChunk } from './chunk-codec.ts';
import type { ChunkPlaces } from './chunk-places.ts';
import { ChunkRequests } from './chunk-requests.ts';
import type { ChunkRequest, ChunkRequestsOptions, FetchedChunk } from './chunk-requests.ts';
import { chunkCountOf, chunkSizeOf, hashAt } from './file-chunks.ts';
import type { KnownFlists } from './known-flists.ts';
import type { ObjectFiles } from './object-files.ts';
import type { EntryKind } from './object-ledger.ts';
import type { StoreShelf } from './store-shelf.ts';
import type { NeedOptions } from './store-types.ts';

export interface ChunkSupplyOptions {
  readonly sources: SourceSet;
  readonly flists: KnownFlists;
  readonly files: ObjectFiles;
  readonly places: ChunkPlaces;
  readonly shelf: StoreShelf;
  /** A chunk that somebody read is kept: more of its file may be worth having. */
  readonly onRead: (file: RegularFile, id: ObjectId) => void;
  /** As `ObjectStoreOptions` has it. */
  readonly onNext: ((hash: ChunkHash, plaintext: Uint8Array) => void) | undefined;
}

/** Chunks of one file that are fetched ahead at a time. */
const aheadChunksMax = 128;

/** How often a chunk is looked for again when its file went away or was damaged. */
const readAttemptsMax = 3;

/** Chunks by file and number: from the store, else from the sources and then kept. */
export class ChunkSupply {
  readonly #options: ChunkSupplyOptions;
  readonly #requests: ChunkRequests;
  #fetchedBytes = 0;
  #notKeptBytes = 0;

  constructor(options: ChunkSupplyOptions) {
    this.#options = options;
    const { sources, onNext } = options;
    const keep: ChunkRequestsOptions['keep'] = (...args) => this.#keep(...args);
    this.#requests = new ChunkRequests({ sources, keep, onNext });
  }

  /** Plaintext that came from sources, and what of that could not be kept. */
  get usage(): { readonly fetchedBytes: number; readonly notKeptBytes: number } {
    return { fetchedBytes: this.#fetchedBytes, notKeptBytes: this.#notKeptBytes };
  }

  /** @throws FLIST_OBJECT_UNKNOWN */
  fileOf(id: ObjectId): RegularFile {
    const file = this.#options.flists.fileOf(id);
    if (file !== undefined) return file;
    throw new GridError<FlistErrorCode>(
      'FLIST_OBJECT_UNKNOWN',
      `no flist here names object ${id}`,
      {
        hint: 'add the flist to the store first',
        details: { id },
      },
    );
  }

  /** Returns when the chunks are kept. @throws as `ObjectStore.need` */
  async bring(
    id: ObjectId,
    firstChunk: number,
    count: number,
    options: NeedOptions,
  ): Promise<void> {
    const file = this.fileOf(id);
    const end = Math.min(firstChunk + count, chunkCountOf(file));
    const isAhead = options.priority === 'ahead' || options.priority === 'next';
    const step = isAhead ? aheadChunksMax : batchHashesMax;
    for (let at = firstChunk; at < end; at += step) {
      const missing: number[] = [];
      for (let index = at; index < Math.min(at + step, end); index++) {
        if (this.#options.places.find(id, index) === undefined) missing.push(index);
      }
      const fetched = await Promise.allSettled(
        missing.map((index) => this.#fetch(file, id, index, options)),
      );
      for (const outcome of fetched) {
        if (outcome.status === 'rejected') throw outcome.reason;
        const problem = await outcome.value.kept;
        if (problem !== undefined) throw problem;
      }
    }
  }

  /** @throws as `ObjectStore.readChunk` */
  async read(id: ObjectId, chunkIndex: number, options: NeedOptions): Promise<Buffer> {
    const { places, files, shelf, onRead } = this.#options;
    const file = this.fileOf(id);
    const hash = hashAt(file, chunkIndex);
    for (let attempt = 0; attempt < readAttemptsMax; attempt++) {
      const place = places.find(id, chunkIndex);
      if (place === undefined) break;
      const path = files.pathOf(place.key);
      const bytes = await files.read(path, place.offset, chunkSizeOf(file, chunkIndex));
      if ((await hashOfChunk(bytes)) === hash) return bytes;
      // An image may claim a wrong size: no reason to look through a file that may be large.
      const whole = await files.read(path, place.offset, chunkBytes);
      if ((await hashOfChunk(whole)) === hash) break;
      await shelf.examine(place.key);
    }
    const onKept = (): void => onRead(file, id);
    return (await this.#fetch(file, id, chunkIndex, options, onKept)).plaintext;
  }

  /** Gives up what is under way. */
  close(): Promise<void> {
    return this.#requests.close();
  }

  #fetch(
    file: RegularFile,
    id: ObjectId,
    index: number,
    { priority = 'read', signal }: NeedOptions,
    onKept?: () => void,
  ): Promise<FetchedChunk> {
    const request: ChunkRequest = {
      hash: hashAt(file, index),
      sizeBytes: chunkSizeOf(file, index),
      object: chunkCountOf(file) === 1 ? id : undefined,
      ...(onKept === undefined ? {} : { onKept }),
    };
    return this.#requests.fetch(request, priority, signal);
  }

  async #keep({ hash, object }: ChunkRequest, plaintext: Buffer): Promise<Error | undefined> {
    const { shelf } = this.#options;
    const kind: EntryKind = object === undefined ? 'chunk' : 'object';
    this.#fetchedBytes += plaintext.length;
    try {
      await shelf.place({ kind, name: object ?? hash }, plaintext.length, [hash], plaintext);
      return undefined;
    } catch (error) {
      this.#notKeptBytes += plaintext.length;
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}
