import { GridError, throwIfAborted } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { readTar } from '../tar/read-tar.ts';
import type { ReadTarOptions } from '../tar/read-tar.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import type { ByteText } from '../tree/byte-text.ts';
import type { NewNode } from '../tree/check-inode.ts';
import type { ChunkWriter } from './chunk-writer.ts';
import { imageXattrsOf } from './image-xattrs.ts';
import type { MakeLog } from './make-log.ts';

/** Devices in one layer: those of a whole `/dev` and some more. */
const layerDevicesMax = 4_096;

/** One entry of a layer whose content, if it has one, is chunks already. */
export interface LayerItem {
  /** As it stands in the tar. */
  readonly path: ByteText;
  /** The inode, or the path of another name of it: a hard link. */
  readonly node: NewNode | ByteText;
}

export interface ReadLayerOptions extends ReadTarOptions {
  readonly log: MakeLog;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads all of a layer: its content goes to the writer, its names are what is given back.
 * @throws what `readTar` and the writer throw, FLIST_XATTR_FORBIDDEN, FLIST_TOO_LARGE, BASE_ABORTED
 */
export async function readLayer(
  tar: AsyncIterable<Uint8Array>,
  writer: ChunkWriter,
  options: ReadLayerOptions,
): Promise<LayerItem[]> {
  const items: LayerItem[] = [];
  let devices = 0;
  try {
    for await (const { entry, content } of readTar(tar, options)) {
      throwIfAborted(options.signal);
      if (entry.kind === 'character-device' || entry.kind === 'block-device') devices++;
      if (devices > layerDevicesMax) throw tooManyDevices();
      items.push({ path: entry.path, node: await nodeOf(entry, content, writer, options.log) });
    }
  } finally {
    await writer.settle();
  }
  await writer.drain();
  return items;
}

async function nodeOf(
  entry: TarEntry,
  content: AsyncIterable<Uint8Array>,
  writer: ChunkWriter,
  log: MakeLog,
): Promise<NewNode | ByteText> {
  const { kind, mode, uid, gid, mtimeNs } = entry;
  if (kind === 'hard-link') return entry.linkTarget;
  const xattrs = imageXattrsOf(entry.xattrs, entry.path, log);
  const base = { mode, uid, gid, mtimeNs, xattrs };
  switch (kind) {
    case 'file': {
      const chunkHashes = await writer.add(content, entry.sizeBytes, entry.path);
      return { ...base, kind, sizeBytes: entry.sizeBytes, chunkHashes };
    }
    case 'symlink':
      return { ...base, kind, target: entry.linkTarget };
    case 'character-device':
    case 'block-device':
      return { ...base, kind, major: entry.major, minor: entry.minor };
    default:
      return { ...base, kind };
  }
}

function tooManyDevices(): GridError<FlistErrorCode> {
  return new GridError('FLIST_TOO_LARGE', `a layer has more than ${layerDevicesMax} devices`, {
    details: { layerDevicesMax },
  });
}
