import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { whiteoutPrefix } from '../make/apply-layer.ts';
import type { ChunkSource } from '../ports.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { writeTar } from '../tar/write-tar.ts';
import type { NewTarItem } from '../tar/write-tar.ts';
import { byteTextFrom, shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { chunkCountOf } from '../tree/check-inode.ts';
import type { Directory, Inode, RegularFile } from '../tree/inode.ts';
import { rootPath } from '../tree/resolve-path.ts';
import { filesOf } from '../store/files-of.ts';
import { walkTree } from '../tree/walk-tree.ts';
import { readChunks } from './read-chunks.ts';

/**
 * A tree with its content as the tar of one layer, the same bytes for the same tree.
 * @throws FLIST_NAME_INVALID for names that mean something else in layers, those of `readChunks`
 */
export function layerTar(
  root: Directory,
  source: ChunkSource,
  { signal, onContent = () => {} }: LayerTarOptions,
): AsyncGenerator<Uint8Array, void, void> {
  return writeTar(itemsOf(root, source, { signal, onContent }));
}

export interface LayerTarOptions {
  readonly signal: AbortSignal;
  /** Called with the length of each piece of content that goes into the tar. */
  readonly onContent?: (bytes: number) => void;
}

async function* itemsOf(
  root: Directory,
  source: ChunkSource,
  { signal, onContent }: Required<LayerTarOptions>,
): AsyncGenerator<NewTarItem, void, void> {
  const chunks = readChunks(filesOf(root), source, signal);
  const firstNames = new Map<Inode, ByteText>();
  try {
    for (const { path, inode, isFirstName } of walkTree(root)) {
      checkLayerName(path);
      if (isFirstName) {
        if (inode.kind !== 'directory') firstNames.set(inode, path);
        const content = inode.kind === 'file' ? take(chunks, inode, onContent) : undefined;
        yield { entry: entryOf(path, inode), content };
      } else {
        yield { entry: linkOf(path, inode, firstNames.get(inode) ?? rootPath) };
      }
    }
  } finally {
    await chunks.return();
  }
}

async function* take(
  chunks: AsyncGenerator<Buffer, void, void>,
  file: RegularFile,
  onContent: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  for (let left = chunkCountOf(file.sizeBytes); left > 0; left--) {
    const next = await chunks.next();
    if (next.done === true) return;
    onContent(next.value.length);
    yield next.value;
  }
}

function entryOf(path: ByteText, inode: Inode): TarEntry {
  const { kind, mode, uid, gid, mtimeNs, xattrs } = inode;
  const isDevice = kind === 'character-device' || kind === 'block-device';
  return {
    kind,
    path: kind === 'directory' ? byDirectory(path) : path,
    mode,
    uid,
    gid,
    mtimeNs,
    xattrs,
    sizeBytes: kind === 'file' ? inode.sizeBytes : 0,
    linkTarget: kind === 'symlink' ? inode.target : rootPath,
    major: isDevice ? inode.major : 0,
    minor: isDevice ? inode.minor : 0,
  };
}

function linkOf(path: ByteText, inode: Inode, target: ByteText): TarEntry {
  const { mode, uid, gid, mtimeNs } = inode;
  const base = { mode, uid, gid, mtimeNs, xattrs: [], sizeBytes: 0, major: 0, minor: 0 };
  return { ...base, kind: 'hard-link', path, linkTarget: target };
}

function byDirectory(path: ByteText): ByteText {
  return path === rootPath ? byteTextFrom('./') : (`${path}/` as ByteText);
}

function checkLayerName(path: ByteText): void {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (!name.startsWith(whiteoutPrefix)) return;
  const shown = shownText(path);
  throw new GridError<FlistErrorCode>(
    'FLIST_NAME_INVALID',
    `"${shown}" would say in a layer that a file is removed`,
    { hint: 'rename it: images of OCI cannot have such names', details: { path: shown } },
  );
}
