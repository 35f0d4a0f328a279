import { open, readdir, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { closeOnce, errorCode, GridError } from '@commongrid/base';
import { decodeManifest, MANIFEST_NAME } from '../engine/log/manifest.ts';
import type { Manifest } from '../engine/log/manifest.ts';
import type { ZdbErrorCode } from '../errors.ts';

/** Looks at a folder whose files change; each change is a new segment, or the end of a compaction. */
const attemptsMax = 100;

/** A file as it was when the folder was frozen. */
export interface FrozenFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** Its first `sizeBytes` bytes, in pieces of at most `pieceBytes`. */
  readonly read: (pieceBytes: number) => AsyncGenerator<Buffer>;
}

/**
 * A data folder as it is in one moment, also while a server writes to it. What it has is what a power cut in
 * that moment would have left: all that was acknowledged, and perhaps the beginning of a frame that was not,
 * which a start cuts off.
 *
 * Files are open until `close`: what the server removes meanwhile stays readable. Segments only grow, so a
 * length says all; the manifest is the same before and after, so all belongs together.
 */
export class FrozenFolder implements AsyncDisposable {
  readonly files: readonly FrozenFile[];
  readonly close: () => Promise<void>;

  private constructor(files: readonly FrozenFile[], opened: AsyncDisposableStack) {
    this.files = files;
    this.close = closeOnce(() => opened.disposeAsync());
  }

  /**
   * @returns undefined where no store is in the folder
   * @throws ZDB_FOLDER_CHANGES, ZDB_MANIFEST_CORRUPT, ZDB_FORMAT_NEWER, and what the system says
   */
  static async open(dataDir: string): Promise<FrozenFolder | undefined> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const before = await manifestOf(dataDir);
      if (before === undefined) return undefined;
      await using opened = new AsyncDisposableStack();
      const files = await openAll(dataDir, before, opened);
      if (files !== undefined && (await manifestOf(dataDir))?.equals(before) === true) {
        return new FrozenFolder([wholeFile(MANIFEST_NAME, before), ...files], opened.move());
      }
    }
    const message = `the files in ${dataDir} change too often to be read together`;
    throw new GridError<ZdbErrorCode>('ZDB_FOLDER_CHANGES', message, {
      hint: 'try again when less is compacted',
      retryable: true,
      details: { folder: dataDir },
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Undefined when a file that has to be there was removed since the manifest was read. */
async function openAll(
  dataDir: string,
  manifest: Buffer,
  opened: AsyncDisposableStack,
): Promise<readonly FrozenFile[] | undefined> {
  const { segments, checkpoint } = decodeManifest(manifest, join(dataDir, MANIFEST_NAME));
  const present = await readdir(dataDir);
  const ids = new Set(segments.map(({ id }) => id));
  const names = present.filter((name) => isOf(name, ids, checkpoint));
  const logs = names.filter((name) => name.endsWith('.log'));
  if (logs.length !== segments.length) return undefined;
  const files: FrozenFile[] = [];
  for (const name of names) {
    try {
      const handle = await open(join(dataDir, name));
      opened.defer(() => handle.close());
      const { size: sizeBytes } = await handle.stat();
      files.push({ name, sizeBytes, read: (piece) => readStart(handle, sizeBytes, piece) });
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      return undefined;
    }
  }
  return files;
}

/** Logs and indexes of these segments, and the checkpoint. */
function isOf(name: string, ids: ReadonlySet<number>, checkpoint: Manifest['checkpoint']): boolean {
  const [, digits] = /^segment-(\d{12,})\.(?:log|index)$/.exec(name) ?? [];
  return digits === undefined ? name === `checkpoint-${checkpoint}` : ids.has(Number(digits));
}

async function* readStart(
  handle: FileHandle,
  sizeBytes: number,
  pieceBytes: number,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < sizeBytes;) {
    const piece = Buffer.alloc(Math.min(pieceBytes, sizeBytes - at));
    const { bytesRead } = await handle.read(piece, 0, piece.length, at);
    if (bytesRead === 0) throw new Error('a file of the store became shorter');
    yield piece.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function wholeFile(name: string, bytes: Buffer): FrozenFile {
  return {
    name,
    sizeBytes: bytes.length,
    async *read(pieceBytes) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        yield bytes.subarray(at, at + pieceBytes);
      }
    },
  };
}

async function manifestOf(dataDir: string): Promise<Buffer | undefined> {
  try {
    return await readFile(join(dataDir, MANIFEST_NAME));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
