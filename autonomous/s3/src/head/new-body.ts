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
}

/** The version that a body is for, to be found again without tables. */
export interface BodyVersion {
  readonly id: Buffer;
  /** What its manifest says of it. */
  readonly documentOf: (body: NewBody) => Buffer;
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
    const { pieces, sizeBytes, key } = source;
    const body =
      sizeBytes <= inlineBytesMax
        ? sealBody(key, await bytesOf(pieces))
        : await head.store.write(pieces, { policy: head.policy, sizeBytes });
    return new PendingBody(head, key, body);
  }

  /**
   * Makes the body known in one change with what refers to it, a version after its manifest was
   * written. `change` may run twice. Throws as `Catalog.write`, and what `change` throws.
   */
  async commit<T>(
    change: (db: DatabaseSync, body: NewBody) => T,
    version?: BodyVersion,
  ): Promise<T> {
    const { store } = this.#head;
    const kept = this.#body;
    if (kept instanceof Uint8Array) {
      const inline = { inline: kept };
      return this.#withManifest(version, inline, [], () =>
        store.catalog.write((db) => change(db, inline)),
      );
    }
    const row = store.rowOf(kept, this.#key);
    const body = { blobs: [{ id: Buffer.from(row.id), sizeBytes: kept.sizeBytes }] };
    this.#isEnded = true;
    return kept.commit((records) =>
      this.#withManifest(version, body, [manifestBlobOf(row, records)], () =>
        store.catalog.write((db) => {
          insertBlob(db, row, records);
          return change(db, body);
        }),
      ),
    );
  }

  [Symbol.dispose](): void {
    if (!this.#isEnded && !(this.#body instanceof Uint8Array)) this.#body.abandon();
    this.#isEnded = true;
  }

  #withManifest<T>(
    version: BodyVersion | undefined,
    body: NewBody,
    blobs: readonly ManifestBlob[],
    change: () => Promise<T>,
  ): Promise<T> {
    if (version === undefined) return change();
    const { store, policy } = this.#head;
    const manifest = { versionId: version.id, document: version.documentOf(body), blobs };
    return store.withManifest(manifest, change, policy);
  }
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}
