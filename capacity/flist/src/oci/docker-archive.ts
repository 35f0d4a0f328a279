import { posix } from 'node:path';

import { GridError, throwIfAborted } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { readTar } from '../tar/read-tar.ts';
import { byteTextFrom } from '../tree/byte-text.ts';
import { readBounded } from './digest.ts';
import { readFileRange } from './file-range.ts';
import type { FileRange } from './file-range.ts';
import { diffIdsOf } from './image-source.ts';
import type { ImageSource, LayerSource, SourceImage } from './image-source.ts';
import { asObject, documentBytesMax, manifestInvalid, parseJson, parseObject } from './manifest.ts';
import type { Platform } from './manifest.ts';

/** Names in one archive. */
const archiveEntriesMax = 65_536;

/** Links in an archive from one layer to another that are followed. */
const linkHopsMax = 8;

/** Images of one archive. */
const archiveImagesMax = 4_096;

interface ArchivedImage {
  readonly config: string;
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}

/** What `docker save` and `skopeo copy ... docker-archive:` write: one tar with layers in it. */
export class DockerArchive implements ImageSource {
  readonly name: string;
  readonly #path: string;
  readonly #image: string | undefined;

  /**
   * @param path of the tar, which is not packed
   * @param image its tag, `name:tag`; may be left out where there is one only
   */
  constructor(path: string, image?: string) {
    this.name = image === undefined ? path : `${path}:${image}`;
    this.#path = path;
    this.#image = image;
  }

  /** An archive says nothing of platforms: whatever image it has is for any. */
  async find(_platform: Platform, signal?: AbortSignal): Promise<SourceImage> {
    throwIfAborted(signal);
    const members = await this.#members();
    const manifest = await this.#document(members, 'manifest.json');
    const image = this.#choose(imagesOf(parseJson(manifest, 'manifest.json')));
    const config = parseObject(await this.#document(members, image.config), image.config);
    const diffIds = diffIdsOf(config, image.layers.length);
    const layers = image.layers.map((path, at): LayerSource => {
      const range = memberOf(members, path);
      const diffId = diffIds[at];
      if (diffId === undefined) throw manifestInvalid('a layer has no diff_id');
      return {
        name: diffId,
        digest: undefined,
        sizeBytes: range.sizeBytes,
        compression: undefined,
        diffId,
        open: () => readFileRange(this.#path, this.#path, range),
      };
    });
    return { digest: undefined, config, configDigest: undefined, annotations: {}, layers };
  }

  /** It holds nothing open between two calls. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /** Where in the archive the files are, and where its links lead. */
  async #members(): Promise<Members> {
    const members = new Map<string, FileRange | string>();
    const file = readFileRange(this.#path, this.#path);
    for await (const { entry, contentOffset } of readTar(file, { entriesMax: archiveEntriesMax })) {
      const path = posix.normalize(entry.path);
      if (entry.kind === 'file') {
        members.set(path, { offset: contentOffset, sizeBytes: entry.sizeBytes });
      } else if (entry.kind === 'symlink') {
        members.set(path, posix.join(posix.dirname(path), entry.linkTarget));
      } else if (entry.kind === 'hard-link') {
        members.set(path, posix.normalize(entry.linkTarget));
      }
    }
    return members;
  }

  #document(members: Members, path: string): Promise<Buffer> {
    const bytes = readFileRange(this.#path, this.#path, memberOf(members, path));
    return readBounded(bytes, documentBytesMax, path);
  }

  #choose(images: readonly ArchivedImage[]): ArchivedImage {
    const wanted = this.#image;
    const found = images.filter(
      ({ tags }) =>
        wanted === undefined || tags.some((tag) => shortName(tag) === shortName(wanted)),
    );
    const [first] = found;
    if (first !== undefined && found.length === 1) return first;
    const tags = images.flatMap((image) => image.tags).slice(0, 50);
    const what = wanted === undefined ? 'several images' : `no image ${wanted}`;
    throw new GridError<FlistErrorCode>('FLIST_IMAGE_ABSENT', `${this.#path} has ${what}`, {
      hint: `name one of: ${tags.join(', ')}`,
      details: { tags },
    });
  }
}

/** Docker writes `box:latest` where others write `docker.io/library/box:latest`. */
function shortName(tag: string): string {
  return tag.replace(/^docker\.io\/(?:library\/)?/, '');
}

type Members = ReadonlyMap<string, FileRange | string>;

function memberOf(members: Members, path: string): FileRange {
  // Names in JSON are text, those in a tar bytes.
  let member: FileRange | string | undefined = posix.normalize(byteTextFrom(path));
  for (let hops = 0; typeof member === 'string' && hops <= linkHopsMax; hops++) {
    member = members.get(member);
  }
  if (typeof member === 'object') return member;
  throw manifestInvalid(`the archive has no file ${path.slice(0, 200)}`);
}

function imagesOf(json: unknown): readonly ArchivedImage[] {
  if (!Array.isArray(json) || json.length === 0 || json.length > archiveImagesMax) {
    throw manifestInvalid('manifest.json is no list of images');
  }
  return json.map((value) => {
    const image = asObject(value);
    const config = image?.['Config'];
    const layers = image?.['Layers'];
    const tags = image?.['RepoTags'] ?? [];
    if (typeof config !== 'string' || !isTexts(layers) || !isTexts(tags)) {
      throw manifestInvalid('manifest.json has an image without Config, Layers or RepoTags');
    }
    return { config, layers, tags };
  });
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
