import { join } from 'node:path';

import { GridError, isGridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { readBounded, readVerified } from './digest.ts';
import { readFileRange } from './file-range.ts';
import { findImage } from './image-source.ts';
import type { ImageSource, OpenBlob, SourceImage } from './image-source.ts';
import { nameAnnotation } from './layout-writer.ts';
import { documentBytesMax, manifestInvalid, parseManifest, parseObject } from './manifest.ts';
import type { Descriptor, Platform } from './manifest.ts';
import { choosePlatform, ownPlatform } from './platform.ts';

/** A folder with images as the image specification of OCI lays them out. */
export class OciLayout implements ImageSource {
  readonly name: string;
  readonly #folder: string;
  readonly #image: string | undefined;

  /**
   * @param folder has `oci-layout`, `index.json` and `blobs`
   * @param image its name in the index, or its digest; may be left out where there is one only
   */
  constructor(folder: string, image?: string) {
    this.name = image === undefined ? folder : `${folder}:${image}`;
    this.#folder = folder;
    this.#image = image;
  }

  async find(platform: Platform, signal?: AbortSignal): Promise<SourceImage> {
    const descriptor = await this.descriptor(platform);
    const { digest, mediaType } = descriptor;
    const bytes = await this.document(descriptor, signal);
    return findImage({ bytes, digest, mediaType }, this.openBlob, platform, signal);
  }

  /**
   * What the index says of the image.
   * @param platform undefined: whichever there is; where there are several, that of this machine
   * @throws FLIST_LAYOUT_INVALID, FLIST_IMAGE_ABSENT, FLIST_PLATFORM_ABSENT
   */
  async descriptor(platform?: Platform): Promise<Descriptor> {
    const index = parseManifest(await this.#indexBytes(), undefined);
    if (index.kind !== 'index') throw manifestInvalid('index.json is no index');
    const named = index.manifests.filter(
      ({ digest, annotations }) =>
        this.#image === undefined ||
        annotations[nameAnnotation] === this.#image ||
        digest === this.#image,
    );
    const names = new Set(named.map(({ annotations }) => annotations[nameAnnotation]));
    if (named.length === 0 || names.size > 1) throw this.#absent(index.manifests);
    const [only] = named;
    if (only !== undefined && named.length === 1 && platform === undefined) return only;
    return choosePlatform(named, platform ?? ownPlatform());
  }

  /** A manifest, an index or a config, verified. */
  document(descriptor: Descriptor, signal?: AbortSignal): Promise<Buffer> {
    const { digest, sizeBytes } = descriptor;
    return readVerified(this.openBlob(descriptor, signal), {
      digest,
      sizeBytes,
      what: `blob ${digest}`,
      bytesMax: documentBytesMax,
    });
  }

  readonly openBlob: OpenBlob = ({ digest }) => {
    const [algorithm = '', hex = ''] = digest.split(':');
    return readFileRange(join(this.#folder, 'blobs', algorithm, hex), `blob ${digest}`);
  };

  /** It holds nothing open between two calls. */
  async [Symbol.asyncDispose](): Promise<void> {}

  async #indexBytes(): Promise<Buffer> {
    try {
      const version = await this.#small('oci-layout');
      const { imageLayoutVersion } = parseObject(version, 'oci-layout');
      if (imageLayoutVersion !== '1.0.0') throw manifestInvalid('its layout is not 1.0.0');
      return await this.#small('index.json');
    } catch (error) {
      if (!isGridError(error, 'FLIST_IMAGE_ABSENT')) throw error;
      throw new GridError<FlistErrorCode>(
        'FLIST_LAYOUT_INVALID',
        `${this.#folder} has no images in the layout of OCI`,
        { hint: 'name a folder with oci-layout and index.json in it', cause: error },
      );
    }
  }

  #small(file: string): Promise<Buffer> {
    return readBounded(readFileRange(join(this.#folder, file), file), documentBytesMax, file);
  }

  #absent(manifests: readonly Descriptor[]): GridError<FlistErrorCode> {
    const names = manifests.flatMap(({ annotations }) => annotations[nameAnnotation] ?? []);
    const some = [...new Set(names)].slice(0, 50);
    const what = this.#image === undefined ? 'several images' : `no image ${this.#image}`;
    return new GridError('FLIST_IMAGE_ABSENT', `${this.#folder} has ${what}`, {
      hint: some.length === 0 ? 'name one by its digest' : `name one of: ${some.join(', ')}`,
      details: { names: some },
    });
  }
}
