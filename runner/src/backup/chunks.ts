import { createHash, createHmac } from 'node:crypto';

import type { BackupKeys } from './backup-keys.ts';
import type { BackupPlace } from './backup-place.ts';
import { damaged, openObject, sealBytes, sealObject } from './sealed-object.ts';

/** Files are cut into pieces of this size: a file that only grew is stored from there on. */
export const chunkBytes = 4 * 2 ** 20;

/** Where they lie. */
const folder = 'chunks';

/** Chunks that are on their way at one time. */
const writesMax = 4;

/** A file as a backup has it. */
export interface StoredFile {
  readonly sizeBytes: number;
  /** Hash of all of it, base64url. */
  readonly sha256: string;
  /** Names of its chunks, in order. */
  readonly chunks: readonly string[];
}

/** Puts content into a place, each chunk once. */
export class ChunkWriter {
  readonly #place: BackupPlace;
  readonly #keys: BackupKeys;
  readonly #known: Set<string>;
  readonly #underWay = new Set<Promise<void>>();
  /** Bytes that were stored by this writer, as they are there. */
  storedBytes = 0;

  /** @param known chunks that the place has */
  constructor(place: BackupPlace, keys: BackupKeys, known: Iterable<string>) {
    this.#place = place;
    this.#keys = keys;
    this.#known = new Set(known);
  }

  /** Reads a source to its end; what came of it is in the place once `settle` returned. */
  async write(source: AsyncIterable<Uint8Array>): Promise<StoredFile> {
    const whole = createHash('sha256');
    const chunks: string[] = [];
    let sizeBytes = 0;
    for await (const chunk of inChunks(source)) {
      whole.update(chunk);
      sizeBytes += chunk.length;
      chunks.push(await this.#keep(chunk));
    }
    return { sizeBytes, sha256: whole.digest('base64url'), chunks };
  }

  /** Waits for all that is on its way. @throws what the place refused */
  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #keep(chunk: Buffer): Promise<string> {
    const id = chunkId(this.#keys, chunk);
    if (this.#known.has(id)) return id;
    this.#known.add(id);
    while (this.#underWay.size >= writesMax) await Promise.race(this.#underWay);
    const storing = this.#store(id, chunk);
    this.#underWay.add(storing);
    // One that failed stays, and whoever waits next is told.
    storing.then(
      () => this.#underWay.delete(storing),
      () => {},
    );
    return id;
  }

  async #store(id: string, chunk: Buffer): Promise<void> {
    const sealed = await sealObject(this.#keys.content, id, chunk);
    await this.#place.put(pathOf(id), sealed);
    this.storedBytes += sealed.length;
  }
}

/** The content of a file, piece by piece; each piece is what was stored. @throws GRID_BACKUP_DAMAGED */
export async function* readChunks(
  place: BackupPlace,
  keys: BackupKeys,
  { sizeBytes, sha256, chunks }: StoredFile,
): AsyncGenerator<Uint8Array> {
  const whole = createHash('sha256');
  let readBytes = 0;
  for (const id of chunks) {
    const sealed = await place.get(pathOf(id), chunkBytes + sealBytes);
    if (sealed === undefined) throw damaged(pathOf(id), 'it is not there');
    const chunk = await openObject(keys.content, id, sealed, chunkBytes);
    if (chunkId(keys, chunk) !== id) throw damaged(pathOf(id), 'it has another content');
    whole.update(chunk);
    readBytes += chunk.length;
    yield chunk;
  }
  if (readBytes !== sizeBytes || whole.digest('base64url') !== sha256) {
    throw damaged('a file', 'its chunks do not make what was backed up');
  }
}

/** All chunks of a place, whoever needs them. @throws GRID_BACKUP_PLACE_FAILED */
export async function* listChunks(place: BackupPlace): AsyncGenerator<string> {
  const fans = (await place.list(folder)).filter((fan) => /^[0-9a-f]{2}$/.test(fan));
  for (const fan of fans) {
    const ids = await place.list(`${folder}/${fan}`);
    yield* ids.filter((id) => /^[0-9a-f]{64}$/.test(id) && id.startsWith(fan));
  }
}

/** @throws GRID_BACKUP_PLACE_FAILED */
export function removeChunk(place: BackupPlace, id: string): Promise<void> {
  return place.remove(pathOf(id));
}

function pathOf(id: string): string {
  return `${folder}/${id.slice(0, 2)}/${id}`;
}

function chunkId({ names }: BackupKeys, chunk: Uint8Array): string {
  return createHmac('sha256', names).update(chunk).digest('hex');
}

async function* inChunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + chunkBytes - bytes);
      parts.push(part);
      bytes += part.length;
      at += part.length;
      if (bytes < chunkBytes) continue;
      yield Buffer.concat(parts);
      parts = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(parts);
}
