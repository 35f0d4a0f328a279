import type { DatabaseSync } from 'node:sqlite';

import { insertBlob, manifestBlobOf } from '@commongrid/zstor';
import type { KeyWrap, ManifestBlob, WrittenBlob } from '@commongrid/zstor';

import type { NewBody } from '../meta/bodies.ts';
import { sealBody } from './body-seal.ts';
import type { HeadContext } from './head-context.ts';

/** Bodies up to this length stand in the tables, sealed; longer ones are blobs. */
const inlineBytesMax = 4096;

export interface BodySource {
  /** Bytes that are there for a while: a piece may be used again once the next is asked for. */
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly sizeBytes: number;
  /** Of the bucket that it is for. */
  readonly key: KeyWrap;
  /** Of the client that sends it; see `borrowerOf`. */
  readonly borrower?: string;
}

/** What a change made of a body, and what its manifest says of it. */
export interface MadeVersion<T> {
  readonly result: T;
  readonly versionId: Buffer;
  readonly document: Buffer;
}

/**
 * A body that would survive, and that nothing refers to yet: sealed bytes, or a blob. It ends with
 * `commit`; disposed of without it, it is given up, so that what was written can be collected.
 */
export class PendingBody implements Disposable {
  readonly #head: HeadContext;
  readonly #key: KeyWrap;
  readonly #body: Uint8Array | WrittenBlob;
  #isEnded = false;

  private constructor(head: HeadContext, key: KeyWrap, body: Uint8Array | WrittenBlob) {
    this.#head = head;
    this.#key = key;
    this.#body = body;
  }

  /**
   * Keeps a stream that is all there, and right, when its end was reached. Throws as
   * `BlobStore.write`, and what the stream throws.
   */
  static async write(head: HeadContext, source: BodySource): Promise<PendingBody> {
    const { pieces, sizeBytes, key, borrower } = source;
    const body =
      sizeBytes <= inlineBytesMax
        ? sealBody(key, await bytesOf(pieces))
        : await head.store.write(pieces, { policy: head.policy, sizeBytes, borrower });
    return new PendingBody(head, key, body);
  }

  /**
   * Makes the body known in one change with what refers to it. `change` may run twice. Throws as
   * `Catalog.write`, and what `change` throws.
   */
  commit<T>(change: (db: DatabaseSync, body: NewBody) => T): Promise<T> {
    const { catalog } = this.#head.store;
    return this.#commit((register) => catalog.write((db) => change(db, register(db).body)));
  }

  /** The same for a version, whose manifest is kept as well. Throws as `BlobStore.commitVersion`. */
  commitVersion<T>(change: (db: DatabaseSync, body: NewBody) => MadeVersion<T>): Promise<T> {
    const { store, policy } = this.#head;
    return this.#commit((register) =>
      store.commitVersion((db) => {
        const { body, blobs } = register(db);
        const { result, versionId, document } = change(db, body);
        return { result, manifest: { versionId, document, blobs } };
      }, policy),
    );
  }

  [Symbol.dispose](): void {
    if (!this.#isEnded && !(this.#body instanceof Uint8Array)) this.#body.abandon();
    this.#isEnded = true;
  }

  /** @param write gets what makes the body known, within its change */
  #commit<T>(write: (register: (db: DatabaseSync) => Registered) => Promise<T>): Promise<T> {
    const kept = this.#body;
    if (kept instanceof Uint8Array) {
      return write(() => ({ body: { inline: kept }, blobs: [] }));
    }
    const row = this.#head.store.rowOf(kept, this.#key);
    const body = { blobs: [{ id: Buffer.from(row.id), sizeBytes: kept.sizeBytes }] };
    this.#isEnded = true;
    return kept.commit((records) =>
      write((db) => {
        insertBlob(db, row, records);
        return { body, blobs: [manifestBlobOf(row, records)] };
      }),
    );
  }
}

/** A body that is in the tables, and what a manifest has of its blobs. */
interface Registered {
  readonly body: NewBody;
  readonly blobs: readonly ManifestBlob[];
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  const [first] = all;
  return first !== undefined && all.length === 1 ? first : Buffer.concat(all);
}
