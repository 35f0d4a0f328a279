import type { Flist } from '../format/flist.ts';
import type { ChunkSink } from '../ports.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { putAll } from './apply-layer.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { MakeLog } from './make-log.ts';
import type { MakeReport } from './make-log.ts';
import { readLayer } from './read-layer.ts';
import { compressionOf, unpackStream } from './unpack-stream.ts';
import type { UnpackLimits } from './unpack-stream.ts';

export interface CreateFromTarOptions extends UnpackLimits {
  readonly signal?: AbortSignal | undefined;
}

/** An image, and what was left out of it. */
export interface MadeImage {
  readonly flist: Flist;
  readonly report: MakeReport;
}

/**
 * Makes an image of one tar, plain or packed with gzip or zstd. It is no layer: names such as
 * `.wh.a` are names like any other.
 * @throws what `readTar`, `unpackStream`, TreeBuilder and the sink throw
 */
export async function createFromTar(
  tar: AsyncIterable<Uint8Array>,
  sink: ChunkSink,
  options: CreateFromTarOptions = {},
): Promise<MadeImage> {
  const log = new MakeLog();
  const writer = new ChunkWriter(sink);
  const { compression, stream } = await compressionOf(tar);
  const unpacked = unpackStream(stream, compression, options);
  const items = await readLayer(unpacked, writer, { log, signal: options.signal });
  const builder = new TreeBuilder();
  putAll(builder, items);
  return { flist: { root: builder.finish() }, report: log.report(writer) };
}
