import { GridError, throwIfAborted } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';

import type { FlistErrorCode } from '../errors.ts';
import type { Flist } from '../format/flist.ts';
import { imageConfigOf } from '../format/image-config.ts';
import { applyLayer } from '../make/apply-layer.ts';
import { ChunkWriter } from '../make/chunk-writer.ts';
import type { MadeImage } from '../make/create-from-tar.ts';
import { MakeLog } from '../make/make-log.ts';
import { readLayer } from '../make/read-layer.ts';
import type { LayerItem } from '../make/read-layer.ts';
import { compressionOf, unpackStream } from '../make/unpack-stream.ts';
import type { UnpackLimits } from '../make/unpack-stream.ts';
import type { ChunkSink } from '../ports.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { VerifiedStream } from './digest.ts';
import type { OciDigest } from './digest.ts';
import { addedAll, readAnnotations, traceFrom } from './flist-annotations.ts';
import type { ImageSource, LayerSource, SourceImage } from './image-source.ts';
import type { Platform } from './manifest.ts';
import { ownPlatform } from './platform.ts';

/** How far an import is. */
export interface ImportProgress {
  /** From 1. */
  readonly layer: number;
  readonly layers: number;
  /** Of all layers as they are kept. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ImportImageOptions extends UnpackLimits {
  /** Default: that of this machine. It matters only where there is a choice. */
  readonly platform?: Platform;
  readonly signal?: AbortSignal | undefined;
  /** Called often: with each piece that came. */
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
}

export interface ImportedImage extends MadeImage {
  /** Of the manifest that it was made of; undefined where there was none. */
  readonly manifestDigest: OciDigest | undefined;
}

/**
 * Makes an flist of an image, layer on layer. Each is verified twice on its way, as it is kept and
 * unpacked; nothing is given back unless all was right. Chunks that came before an error stay in
 * the sink, where no flist names them.
 * @throws those of `ImageSource`, `readTar`, `unpackStream`, TreeBuilder and the sink,
 *   FLIST_CONFIG_INVALID
 */
export async function importImage(
  source: ImageSource,
  sink: ChunkSink,
  options: ImportImageOptions = {},
): Promise<ImportedImage> {
  const { platform = ownPlatform(), signal } = options;
  const image = await source.find(platform, signal);
  const annotations = readAnnotations(image.annotations, image.configDigest);
  const config = configOf(image, annotations.added);
  const log = new MakeLog();
  const writer = new ChunkWriter(sink);
  const builder = new TreeBuilder();
  const progress = progressOf(image, options);
  for (const layer of image.layers) {
    applyLayer(builder, await layerItems(layer, { log, writer, options, progress }));
  }
  const root = builder.finish();
  const { trace } = annotations;
  const flist: Flist = {
    root,
    ...(config === undefined ? {} : { config }),
    ...(trace === undefined ? {} : { trace: traceFrom(trace, root) }),
  };
  return { flist, report: log.report(writer), manifestDigest: image.digest };
}

interface LayerWork {
  readonly log: MakeLog;
  readonly writer: ChunkWriter;
  readonly options: ImportImageOptions;
  readonly progress: Progress;
}

async function layerItems(layer: LayerSource, work: LayerWork): Promise<LayerItem[]> {
  const { log, writer, options, progress } = work;
  const { signal } = options;
  const what = `layer ${layer.name}`;
  const bytes = progress.next(layer.open(signal));
  const kept =
    layer.digest === undefined
      ? undefined
      : new VerifiedStream(bytes, { digest: layer.digest, sizeBytes: layer.sizeBytes, what });
  const { compression, stream } =
    layer.compression === undefined
      ? await compressionOf(kept ?? bytes)
      : { compression: layer.compression, stream: kept ?? bytes };
  const tar = new VerifiedStream(unpackStream(stream, compression, options), {
    digest: layer.diffId,
    what: `unpacked ${what}`,
  });
  const items = await readLayer(tar, writer, { log, signal, mayLackEnd: true });
  kept?.assertVerified();
  tar.assertVerified();
  return items;
}

/** What is kept of a config: how it is run and whom it is for, not how it was built. */
const keptFields = [
  'architecture',
  'os',
  'os.version',
  'os.features',
  'variant',
  'created',
  'author',
  'config',
];

function configOf({ config }: SourceImage, added: readonly string[]): JsonValue | undefined {
  const os = config['os'];
  if (os !== undefined && os !== 'linux') throw notLinux();
  if (added.includes(addedAll)) return undefined;
  const kept = keptFields
    .filter((field) => field in config && !added.includes(field))
    .map((field) => [field, config[field]]);
  const json = Object.fromEntries(kept) as JsonValue;
  imageConfigOf({ config: json });
  return json;
}

function notLinux(): GridError<FlistErrorCode> {
  return new GridError('FLIST_PLATFORM_ABSENT', 'the image is not for Linux');
}

interface Progress {
  next(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}

function progressOf({ layers }: SourceImage, { onProgress, signal }: ImportImageOptions): Progress {
  const totalBytes = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let layer = 0;
  let doneBytes = 0;
  return {
    async *next(bytes): AsyncGenerator<Uint8Array, void, void> {
      layer++;
      for await (const piece of bytes) {
        throwIfAborted(signal);
        doneBytes += piece.length;
        onProgress?.({ layer, layers: layers.length, doneBytes, totalBytes });
        yield piece;
      }
    },
  };
}
