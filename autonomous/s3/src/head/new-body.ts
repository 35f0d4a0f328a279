import type { DatabaseSync } from 'node:sqlite';

import { insertBlob } from '@commongrid/zstor';
import type { KeyWrap, WrittenBlob } from '@commongrid/zstor';

import type { NewBody } from '../meta/bodies.ts';
import { sealBody } from './body-seal.ts';
import type { HeadContext } from './head-context.ts';

/** Bodies up to this length stand in the tables, sealed; longer ones are blobs. */
export const inlineBytesMax = 4096;

export interface BodySource {
  /** Bytes that are there for a while: a piece may be used again once the next is asked for. */
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly sizeBytes: number;
  /** Of the bucket that it is for. */
  readonly key: KeyWrap;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A body that would survive, and that nothing refers to yet. It ends with `commit` or `abandon`.
 */
export class PendingBody {
  readonly #head: HeadContext;
  readonly #keyNo: number;
  readonly #inline: Uint8Array | undefined;
  readonly #blobs: readonly WrittenBlob[];

  private constructor(
    head: HeadContext,
    keyNo: number,
    inline: Uint8Array | undefined,
    blobs: readonly WrittenBlob[],
  ) {
    this.#head = head;
    this.#keyNo = keyNo;
    this.#inline = inline;
    this.#blobs = blobs;
  }

  /** Keeps a stream that is all there, and right, when its end was reached. */
  static async write(head: HeadContext, source: BodySource): Promise<PendingBody> {
    const { pieces, sizeBytes, key, signal } = source;
    if (sizeBytes <= inlineBytesMax) {
      const sealed = sealBody(key, await bytesOf(pieces));
      return new PendingBody(head, key.no, sealed, []);
    }
    const blob = await head.store.write(pieces, { policy: head.policy, sizeBytes, signal });
    return new PendingBody(head, key.no, undefined, [blob]);
  }

  /** Keeps several streams, which are one body together. */
  static async writeAll(
    head: HeadContext,
    sources: Iterable<BodySource>,
    key: KeyWrap,
  ): Promise<PendingBody> {
    const blobs: WrittenBlob[] = [];
    try {
      for (const { pieces, sizeBytes, signal } of sources) {
        blobs.push(await head.store.write(pieces, { policy: head.policy, sizeBytes, signal }));
      }
    } catch (error) {
      for (const blob of blobs) blob.abandon();
      throw error;
    }
    return new PendingBody(head, key.no, undefined, blobs);
  }

  /**
   * Makes the body known in one change with what refers to it. `change` may run twice. Throws as
   * `Catalog.write`, and what `change` throws: the body is abandoned then.
   */
  async commit<T>(change: (db: DatabaseSync, body: NewBody) => T): Promise<T> {
    const { store } = this.#head;
    const inline = this.#inline;
    if (inline !== undefined) return store.catalog.write((db) => change(db, { inline }));
    const rows = this.#blobs.map((blob) => store.rowOf(blob, this.#keyNo));
    const body: NewBody = {
      blobs: this.#blobs.map(({ secret, sizeBytes }) => {
        return { id: Buffer.from(secret.id), sizeBytes };
      }),
    };
    return commitAll(this.#blobs, (records) =>
      store.catalog.write((db) => {
        for (const [at, row] of rows.entries()) insertBlob(db, row, records[at] ?? []);
        return change(db, body);
      }),
    );
  }

  abandon(): void {
    for (const blob of this.#blobs) blob.abandon();
  }
}

type Records = Parameters<Parameters<WrittenBlob['commit']>[0]>[0];

/** Commits blobs in one change. */
async function commitAll<T>(
  blobs: readonly WrittenBlob[],
  register: (records: readonly Records[]) => Promise<T>,
  before: readonly Records[] = [],
): Promise<T> {
  const [first, ...rest] = blobs;
  if (first === undefined) return register(before);
  return first.commit((records) => commitAll(rest, register, [...before, records]));
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}
