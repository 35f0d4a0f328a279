import { createHash } from 'node:crypto';

import { canonicalBytes } from '@commongrid/crypto';

import type { Flist } from '../format/flist.ts';
import type { ChunkSource } from '../ports.ts';
import { filesOf } from '../store/files-of.ts';
import type { OciDigest } from './digest.ts';
import { exportConfigOf } from './export-config.ts';
import { annotationsFor } from './flist-annotations.ts';
import { layerTar } from './layer-tar.ts';
import { LayoutWriter } from './layout-writer.ts';
import { mediaTypes } from './media-types.ts';
import { packStream } from './pack-stream.ts';

export interface ExportImageOptions {
  /** By which the image is found in the layout. Default `latest`. */
  readonly name?: string;
  /** Default gzip: every tool reads it. */
  readonly compression?: 'gzip' | 'zstd';
  readonly signal?: AbortSignal | undefined;
  /** Called often, with bytes of the content of all files. */
  readonly onProgress?: ((progress: ExportProgress) => void) | undefined;
}

export interface ExportProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ExportedImage {
  readonly manifestDigest: OciDigest;
  readonly layerBytes: number;
}

/**
 * Writes an flist with its content into a folder with the layout of OCI, as an image of one layer.
 * The same flist gives the same image, and an import of that the same flist.
 * @throws FLIST_NAME_INVALID, FLIST_CHUNK_UNAVAILABLE, FLIST_CHUNK_CORRUPT, FLIST_CONFIG_INVALID,
 *   FLIST_LAYOUT_INVALID, BASE_ABORTED, and what the file system and the source throw
 */
export async function exportImage(
  flist: Flist,
  source: ChunkSource,
  folder: string,
  options: ExportImageOptions = {},
): Promise<ExportedImage> {
  const { name = 'latest', compression = 'gzip' } = options;
  const signal = options.signal ?? new AbortController().signal;
  const onContent = countContent(flist, options);
  const writer = await LayoutWriter.open(folder);
  const tarHash = createHash('sha256');
  async function* hashed(): AsyncGenerator<Uint8Array, void, void> {
    for await (const piece of layerTar(flist.root, source, { signal, onContent })) {
      tarHash.update(piece);
      yield piece;
    }
  }
  const layer = await writer.addStream(packStream(hashed(), compression));
  const diffId = `sha256:${tarHash.digest('hex')}` as OciDigest;
  const { config, added, platform } = exportConfigOf(flist, diffId);
  const configBlob = await writer.addBytes(canonicalBytes(config));
  const annotations = annotationsFor(flist, configBlob.digest, added);
  const layerType = compression === 'gzip' ? mediaTypes.layerGzip : mediaTypes.layerZstd;
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, ...configBlob },
    layers: [{ mediaType: layerType, ...layer }],
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  const manifestBlob = await writer.addBytes(canonicalBytes(manifest));
  await writer.name(name, { mediaType: mediaTypes.manifest, ...manifestBlob, platform });
  return { manifestDigest: manifestBlob.digest, layerBytes: layer.size };
}

function countContent(
  { root }: Flist,
  { onProgress }: ExportImageOptions,
): (bytes: number) => void {
  if (onProgress === undefined) return () => {};
  let [doneBytes, totalBytes] = [0, 0];
  for (const { sizeBytes } of filesOf(root)) totalBytes += sizeBytes;
  return (bytes) => onProgress({ doneBytes: (doneBytes += bytes), totalBytes });
}
