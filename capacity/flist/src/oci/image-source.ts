import { throwIfAborted } from '@commongrid/base';

import type { Compression } from '../make/unpack-stream.ts';
import { parseOciDigest, readVerified } from './digest.ts';
import type { OciDigest } from './digest.ts';
import {
  asObject,
  documentBytesMax,
  manifestInvalid,
  parseManifest,
  parseObject,
} from './manifest.ts';
import type { Descriptor, ImageManifest, JsonObject, Platform } from './manifest.ts';
import { checkConfigType, layerCompression } from './media-types.ts';
import { choosePlatform } from './platform.ts';

/** Indexes in indexes that are followed to a manifest. */
const indexDepthMax = 4;

/** A layer of an image that is about to be imported. */
export interface LayerSource {
  /** For people and errors. */
  readonly name: string;
  /** Of the bytes as they are kept; undefined when nobody says. */
  readonly digest: OciDigest | undefined;
  readonly sizeBytes: number;
  /** Undefined: its first bytes say. */
  readonly compression: Compression | undefined;
  /** Of the unpacked tar. */
  readonly diffId: OciDigest;
  /** Its bytes as they are kept, which nobody has verified yet. */
  open(signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
}

/** An image that was found, with what is small of it read and verified. */
export interface SourceImage {
  /** Of its manifest; undefined where there is none. */
  readonly digest: OciDigest | undefined;
  readonly config: JsonObject;
  /** Of the config; undefined where there is no manifest that says it. */
  readonly configDigest: OciDigest | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  readonly layers: readonly LayerSource[];
}

/** Where images are imported from: a folder, an archive, a registry. */
export interface ImageSource extends AsyncDisposable {
  /** For people and errors. */
  readonly name: string;
  /**
   * Finds the image for a platform.
   * @throws FLIST_IMAGE_ABSENT, FLIST_PLATFORM_ABSENT, FLIST_MANIFEST_INVALID,
   *   FLIST_MEDIA_TYPE_UNKNOWN, FLIST_BLOB_CORRUPT, and those of the source
   */
  find(platform: Platform, signal?: AbortSignal): Promise<SourceImage>;
}

/** Gives the bytes of a blob as they are kept; nobody has verified them. */
export type OpenBlob = (
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
) => AsyncIterable<Uint8Array>;

/** A manifest or index that is there already, and how it was spoken of. */
export interface FirstDocument {
  readonly bytes: Uint8Array;
  readonly digest: OciDigest | undefined;
  readonly mediaType: string | undefined;
}

/** Goes from a manifest or an index to the image for a platform, through blobs. */
export async function findImage(
  first: FirstDocument,
  openBlob: OpenBlob,
  platform: Platform,
  signal: AbortSignal | undefined,
): Promise<SourceImage> {
  let { bytes, digest, mediaType } = first;
  for (let depth = 0; depth <= indexDepthMax; depth++) {
    throwIfAborted(signal);
    const document = parseManifest(bytes, mediaType);
    if (document.kind === 'manifest') return imageOf(document, digest, openBlob, signal);
    const next = choosePlatform(document.manifests, platform);
    bytes = await readDocument(next, 'manifest', openBlob, signal);
    ({ digest, mediaType } = next);
  }
  throw manifestInvalid('indexes lead to indexes');
}

async function imageOf(
  manifest: ImageManifest,
  digest: OciDigest | undefined,
  openBlob: OpenBlob,
  signal: AbortSignal | undefined,
): Promise<SourceImage> {
  checkConfigType(manifest.config.mediaType);
  const compressions = manifest.layers.map(({ mediaType }) => layerCompression(mediaType));
  const config = parseObject(
    await readDocument(manifest.config, 'config', openBlob, signal),
    'the config',
  );
  const diffIds = diffIdsOf(config, manifest.layers.length);
  const layers = manifest.layers.map((descriptor, at): LayerSource => {
    const diffId = diffIds[at];
    if (diffId === undefined) throw manifestInvalid('a layer has no diff_id');
    return {
      name: descriptor.digest,
      digest: descriptor.digest,
      sizeBytes: descriptor.sizeBytes,
      compression: compressions[at],
      diffId,
      open: (layerSignal) => openBlob(descriptor, layerSignal),
    };
  });
  const { digest: configDigest } = manifest.config;
  return { digest, config, configDigest, annotations: manifest.annotations, layers };
}

/**
 * The digests of the unpacked layers, as the config has them.
 * @throws FLIST_MANIFEST_INVALID unless there is one for each layer
 */
export function diffIdsOf(config: JsonObject, layers: number): readonly OciDigest[] {
  const list = asObject(config['rootfs'])?.['diff_ids'];
  if (!Array.isArray(list) || list.length !== layers) {
    throw manifestInvalid(`rootfs.diff_ids has not one digest for each of ${layers} layers`);
  }
  return list.map((text) => {
    const digest = parseOciDigest(text);
    if (digest === undefined) throw manifestInvalid('rootfs.diff_ids has no digests');
    return digest;
  });
}

function readDocument(
  descriptor: Descriptor,
  what: string,
  openBlob: OpenBlob,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const { digest, sizeBytes } = descriptor;
  return readVerified(openBlob(descriptor, signal), {
    digest,
    sizeBytes,
    what: `${what} ${digest}`,
    bytesMax: documentBytesMax,
  });
}
