import { systemRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';

import { S3Error } from '../protocol/s3-error.ts';

const idBytes = 16;

/**
 * Ids of versions and uploads, 16 bytes: epoch of the head, a count, random bits. Of one head, and
 * from one head to the next, they rise; nobody can guess them. They are given before the change that
 * uses them, so that a manifest can have them, too.
 */
export class ObjectIds {
  readonly #epochOf: () => number;
  readonly #random: Random;
  #epoch = -1;
  #count = 0n;

  /** @param epochOf what BlobStore.epoch says */
  constructor(epochOf: () => number, random: Random = systemRandom) {
    this.#epochOf = epochOf;
    this.#random = random;
  }

  next(): Buffer {
    const epoch = this.#epochOf();
    if (epoch !== this.#epoch) this.#count = 0n;
    this.#epoch = epoch;
    this.#count += 1n;
    const id = Buffer.alloc(idBytes);
    id.writeUInt32BE(epoch);
    id.writeBigUInt64BE(this.#count, 4);
    id.set(this.#random.bytes(4), 12);
    return id;
  }
}

/** Of the head that gave an id away. */
export function epochIn(id: Buffer): number {
  return id.readUInt32BE(0);
}

/** How an id is told to clients. */
export function idText(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex');
}

/** An upload id of a request; undefined for what is none. */
export function parseId(text: string): Buffer | undefined {
  return /^[0-9a-f]{32}$/.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** @throws S3Error InvalidArgument for what cannot be the id of a version */
export function parseVersionId(text: string): Buffer | 'null' {
  const id = text === 'null' ? text : parseId(text);
  if (id !== undefined) return id;
  throw new S3Error('InvalidArgument', 'Invalid version id specified', {
    elements: { ArgumentName: 'versionId', ArgumentValue: text },
  });
}
