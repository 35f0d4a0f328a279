import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { abortError, errorCode, GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { byteTextOf } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import type { Xattr } from '../tree/inode.ts';
import { rootPath } from '../tree/resolve-path.ts';

/** Bytes of the attributes of a folder, as `getfattr` prints them. */
const dumpBytesMax = 256 * 2 ** 20;

/** Bytes of what `getfattr` complains of that go into an error. */
const complaintBytesMax = 2_000;

/** Attributes of the files that have some, by their paths below the folder; its own by ''. */
export type FolderXattrs = ReadonlyMap<ByteText, readonly Xattr[]>;

/**
 * Reads all extended attributes below a folder in one run of `getfattr`, as Node itself has no call
 * for it.
 * @throws FLIST_TOOL_MISSING, FLIST_FILE_UNREADABLE, FLIST_TOO_LARGE, BASE_ABORTED
 */
export async function folderXattrs(folder: string, signal?: AbortSignal): Promise<FolderXattrs> {
  const options = ['--dump', '-R', '-P', '-h', '-e', 'base64', '-m', '-', '--', '.'];
  const child = spawn('getfattr', options, {
    cwd: folder,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  });
  const ended = once(child, 'close');
  // It may fail before anybody waits for it.
  ended.catch(() => undefined);
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, complaintBytesMax);
  });
  try {
    const reader = new DumpReader();
    for await (const piece of child.stdout as AsyncIterable<Buffer>) reader.push(piece);
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw unreadable(folder, complaint.trim());
    return reader.end();
  } catch (error) {
    child.kill();
    await ended.catch(() => undefined);
    if (signal?.aborted === true) throw abortError(signal);
    throw errorCode(error) === 'ENOENT' ? toolMissing(error) : error;
  }
}

/** Reads lines of `# file: PATH`, then `NAME=0sBASE64` for each attribute, then an empty one. */
class DumpReader {
  readonly #found = new Map<ByteText, Xattr[]>();
  #rest = '';
  #bytes = 0;
  #xattrs: Xattr[] = [];

  push(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > dumpBytesMax) {
      throw new GridError<FlistErrorCode>('FLIST_TOO_LARGE', 'the folder has too many attributes', {
        details: { dumpBytesMax },
      });
    }
    const lines = (this.#rest + byteTextOf(piece)).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  end(): FolderXattrs {
    return this.#found;
  }

  #line(line: string): void {
    if (line === '') return;
    if (line.startsWith(fileMark)) {
      const path = unescaped(line.slice(fileMark.length));
      this.#xattrs = [];
      this.#found.set(path === '.' ? rootPath : path, this.#xattrs);
      return;
    }
    const equals = line.indexOf('=');
    const name = unescaped(equals < 0 ? line : line.slice(0, equals));
    const text = equals < 0 ? '' : line.slice(equals + 1);
    const value = Buffer.from(text.startsWith('0s') ? text.slice(2) : '', 'base64');
    this.#xattrs.push({ name, value });
  }
}

const fileMark = '# file: ';

/** `getfattr` writes bytes that would break its lines as a backslash and three octal digits. */
function unescaped(text: string): ByteText {
  return text.replaceAll(/\\([0-3][0-7]{2})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  ) as ByteText;
}

function toolMissing(cause: unknown): GridError<FlistErrorCode> {
  return new GridError('FLIST_TOOL_MISSING', 'there is no program getfattr', {
    hint: 'apt-get install attr',
    cause,
  });
}

function unreadable(folder: string, complaint: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_FILE_UNREADABLE', `attributes of ${folder}: ${complaint}`, {
    hint: 'run it as root',
    details: { folder },
  });
}
