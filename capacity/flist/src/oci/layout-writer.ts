import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError, syncFolder, writeFileAtomic } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { ociDigestOf } from './digest.ts';
import type { OciDigest } from './digest.ts';
import { asObject, manifestInvalid, parseObject } from './manifest.ts';
import { mediaTypes } from './media-types.ts';

/** The name of an image in the index of a layout. */
export const nameAnnotation = 'org.opencontainers.image.ref.name';

export interface WrittenBlob {
  readonly digest: OciDigest;
  readonly size: number;
}

/** What the index of a layout says of an image. */
export interface IndexEntry extends WrittenBlob {
  readonly mediaType: string;
  readonly platform: { readonly os: string; readonly architecture: string };
}

/** Writes images into a folder with the layout of OCI, which may have others in it. */
export class LayoutWriter {
  readonly #folder: string;
  readonly #blobs: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#blobs = join(folder, 'blobs', 'sha256');
  }

  /** @throws FLIST_LAYOUT_INVALID when something else is in the folder */
  static async open(folder: string): Promise<LayoutWriter> {
    await mkdir(folder, { recursive: true });
    const names = await readdir(folder);
    if (names.length > 0 && !names.includes('oci-layout')) {
      throw new GridError<FlistErrorCode>('FLIST_LAYOUT_INVALID', `${folder} has other files`, {
        hint: 'name an empty folder, a new one, or one with images of OCI',
        details: { folder },
      });
    }
    const writer = new LayoutWriter(folder);
    // First of all: what is broken off can be begun again in the same folder.
    const version = JSON.stringify({ imageLayoutVersion: '1.0.0' });
    await writeFileAtomic(join(folder, 'oci-layout'), version);
    await mkdir(writer.#blobs, { recursive: true });
    return writer;
  }

  /** A blob is in its place only when all of it is there. */
  async addStream(stream: AsyncIterable<Uint8Array>): Promise<WrittenBlob> {
    const temp = join(this.#blobs, `.${randomBytes(8).toString('hex')}.tmp`);
    const hash = createHash('sha256');
    let size = 0;
    async function* counted(): AsyncGenerator<Uint8Array, void, void> {
      for await (const piece of stream) {
        hash.update(piece);
        size += piece.length;
        yield piece;
      }
    }
    try {
      const handle = await open(temp, 'wx', 0o644);
      try {
        await handle.writeFile(counted());
        await handle.sync();
      } finally {
        await handle.close();
      }
      const hex = hash.digest('hex');
      await rename(temp, join(this.#blobs, hex));
      return { digest: `sha256:${hex}` as OciDigest, size };
    } catch (error) {
      await rm(temp, { force: true });
      throw error;
    }
  }

  async addBytes(bytes: Uint8Array): Promise<WrittenBlob> {
    const digest = ociDigestOf(bytes);
    await writeFileAtomic(join(this.#blobs, digest.slice('sha256:'.length)), bytes);
    return { digest, size: bytes.length };
  }

  /** Makes the image known by its name, in the place of the one that had it. */
  async name(name: string, entry: IndexEntry): Promise<void> {
    await syncFolder(this.#blobs);
    const others = (await this.#entries()).filter((other) => nameOf(other) !== name);
    const manifests = [...others, { ...entry, annotations: { [nameAnnotation]: name } }];
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
    await writeFileAtomic(join(this.#folder, 'index.json'), JSON.stringify(index));
  }

  async #entries(): Promise<readonly unknown[]> {
    let bytes: Buffer;
    try {
      bytes = await readFile(join(this.#folder, 'index.json'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
    const { manifests } = parseObject(bytes, 'index.json');
    if (!Array.isArray(manifests)) throw manifestInvalid('index.json has no manifests');
    return manifests;
  }
}

function nameOf(entry: unknown): unknown {
  return asObject(asObject(entry)?.['annotations'])?.[nameAnnotation];
}
