import { GridError, isGridError } from '@commongrid/base';
import { parseCanonical } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import type { FlistErrorCode } from '../errors.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { checkInode, checkName, chunkCountOf } from '../tree/check-inode.ts';
import { hashBytes } from '../tree/inode.ts';
import type { Directory, Inode, InodeBase, Xattr } from '../tree/inode.ts';
import {
  depthMax,
  flistBytesMax,
  inodesMax,
  nameBytesMax,
  namesMax,
  targetBytesMax,
  tooLarge,
  xattrBytesMax,
  xattrNameBytesMax,
  xattrsMax,
} from '../tree/tree-limits.ts';
import { ByteReader } from './byte-reader.ts';
import { configBytesMax, flistHead, kindNumbers, sections } from './flist.ts';
import type { Flist } from './flist.ts';
import { readTrace } from './trace-bytes.ts';

/**
 * Reads canonical bytes and nothing else: what it takes, `encodeFlist` makes again byte for byte.
 * The flist keeps views of the bytes, which must not change afterwards.
 * @throws FLIST_CORRUPT, FLIST_TOO_LARGE, FLIST_VERSION_UNKNOWN, FLIST_PRIVATE_UNSUPPORTED
 */
export function decodeFlist(bytes: Uint8Array): Flist {
  if (bytes.length > flistBytesMax) throw tooLarge('bytes', flistBytesMax);
  try {
    return decode(bytes);
  } catch (error) {
    if (!isGridError(error) || decodeCodes.has(error.code)) throw error;
    // What a builder would be told of its node is here a fault of the bytes.
    throw new GridError<FlistErrorCode>('FLIST_CORRUPT', error.message, {
      hint: 'fetch it again',
      details: error.details,
      cause: error,
    });
  }
}

const decodeCodes: ReadonlySet<string> = new Set<FlistErrorCode>([
  'FLIST_CORRUPT',
  'FLIST_TOO_LARGE',
  'FLIST_VERSION_UNKNOWN',
  'FLIST_PRIVATE_UNSUPPORTED',
]);

function decode(bytes: Uint8Array): Flist {
  const found = readSections(bytes);
  const treeBytes = found.get(sections.tree);
  if (treeBytes === undefined) throw new ByteReader(bytes).corrupt('it has no tree');
  const chunkBytes = found.get(sections.chunks);
  const tree = new TreeDecoder(treeBytes, chunkBytes ?? new Uint8Array());
  const root = tree.decode();
  const configBytes = found.get(sections.config);
  const traceBytes = found.get(sections.trace);
  return {
    root,
    ...(configBytes === undefined ? {} : { config: readConfig(configBytes) }),
    ...(traceBytes === undefined ? {} : { trace: readTrace(traceBytes, tree.nodes) }),
  };
}

/** The sections by their numbers; none is empty. */
function readSections(bytes: Uint8Array): Map<number, Uint8Array> {
  const reader = new ByteReader(bytes);
  for (const [at, expected] of flistHead.entries()) {
    const byte = reader.byte();
    const isVersion = at === flistHead.length - 1;
    if (byte !== expected && !isVersion) throw reader.corrupt('it does not begin as one');
    if (byte !== expected) throw unknownVersion(`version ${byte}`);
  }
  const found = new Map<number, Uint8Array>();
  let last = 0;
  while (reader.left > 0) {
    const number = reader.byte();
    if (number === sections.private) {
      throw new GridError<FlistErrorCode>(
        'FLIST_PRIVATE_UNSUPPORTED',
        'this is a private image, which this release cannot read',
        { hint: 'use a newer release' },
      );
    }
    if (number < 1 || number > sections.private) throw unknownVersion(`section ${number}`);
    if (number <= last) throw reader.corrupt('its sections are out of order');
    last = number;
    const length = reader.count(1);
    if (length === 0) throw reader.corrupt('a section is empty');
    found.set(number, reader.view(length));
  }
  return found;
}

interface OpenDirectory {
  readonly entries: Map<ByteText, Inode>;
  left: number;
  last: string;
}

class TreeDecoder {
  /** The n-th node is at n - 1. */
  readonly nodes: Inode[] = [];
  readonly #reader: ByteReader;
  readonly #chunks: ByteReader;
  readonly #open: OpenDirectory[] = [];
  #names = 0;
  #xattrs = 0;

  constructor(tree: Uint8Array, chunks: Uint8Array) {
    this.#reader = new ByteReader(tree);
    this.#chunks = new ByteReader(chunks);
  }

  decode(): Directory {
    const root = this.#readNode();
    if (root.kind !== 'directory') throw this.#reader.corrupt('its root is no directory');
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (top.left === 0) {
        this.#open.pop();
        continue;
      }
      top.left--;
      this.#readEntry(top);
    }
    if (this.#reader.left > 0) throw this.#reader.corrupt('something follows the tree');
    if (this.#chunks.left > 0) throw this.#reader.corrupt('it has more chunks than its files');
    return root;
  }

  #readEntry(top: OpenDirectory): void {
    const reader = this.#reader;
    const name = reader.text(nameBytesMax);
    checkName(name);
    if (name <= top.last) throw reader.corrupt('names are out of order');
    top.last = name;
    if (++this.#names > namesMax) throw tooLarge('names', namesMax);
    if (this.#open.length > depthMax) throw tooLarge('names one in another', depthMax);
    const number = reader.varint();
    const inode = number === 0 ? this.#readNode() : this.nodes[number - 1];
    if (inode === undefined) throw reader.corrupt('a name leads to a node that is not there yet');
    if (number > 0 && inode.kind === 'directory') {
      throw reader.corrupt('a directory has two names');
    }
    top.entries.set(name, inode);
  }

  #readNode(): Inode {
    if (this.nodes.length >= inodesMax) throw tooLarge('inodes', inodesMax);
    const kind = this.#reader.byte();
    const inode = this.#readKind(kind, this.#readBase());
    checkInode(inode, () => `node ${this.nodes.length}`);
    this.nodes.push(inode);
    return inode;
  }

  #readKind(kind: number, base: InodeBase): Inode {
    const reader = this.#reader;
    switch (kind) {
      case kindNumbers.file: {
        const sizeBytes = reader.varint();
        const chunkHashes = this.#chunks.view(chunkCountOf(sizeBytes) * hashBytes);
        return { kind: 'file', ...base, sizeBytes, chunkHashes };
      }
      case kindNumbers.directory: {
        const entries = new Map<ByteText, Inode>();
        this.#open.push({ entries, left: reader.count(entryBytesMin), last: '' });
        return { kind: 'directory', ...base, entries };
      }
      case kindNumbers.symlink:
        return { kind: 'symlink', ...base, target: reader.text(targetBytesMax) };
      case kindNumbers['character-device']:
      case kindNumbers['block-device']: {
        const name = kind === kindNumbers['block-device'] ? 'block-device' : 'character-device';
        return { kind: name, ...base, major: reader.varint(), minor: reader.varint() };
      }
      case kindNumbers.fifo:
        return { kind: 'fifo', ...base };
      default:
        throw reader.corrupt(`kind ${kind} is unknown`);
    }
  }

  #readBase(): InodeBase {
    const reader = this.#reader;
    const mode = reader.varint();
    const uid = reader.varint();
    const gid = reader.varint();
    const seconds = reader.signedVarint();
    const nanoseconds = reader.varint();
    if (nanoseconds >= nsPerSecond) throw reader.corrupt('a second has too many nanoseconds');
    const mtimeNs = BigInt(seconds) * BigInt(nsPerSecond) + BigInt(nanoseconds);
    const count = reader.count(xattrBytesMin);
    return { mode, uid, gid, mtimeNs, xattrs: count === 0 ? noXattrs : this.#readXattrs(count) };
  }

  #readXattrs(count: number): Xattr[] {
    this.#xattrs += count;
    if (this.#xattrs > xattrsMax) throw tooLarge('attributes', xattrsMax);
    const xattrs: Xattr[] = [];
    for (let n = 0; n < count; n++) {
      const name = this.#reader.text(xattrNameBytesMax);
      const length = this.#reader.count(1);
      if (length > xattrBytesMax) throw this.#reader.corrupt('an attribute is too long');
      xattrs.push({ name, value: this.#reader.view(length) });
    }
    return xattrs;
  }
}

const nsPerSecond = 1_000_000_000;
const noXattrs: readonly Xattr[] = [];

/** The shortest entry: a name of one byte with its length, and which. */
const entryBytesMin = 3;
/** The shortest attribute: `user.` and a byte with their length, and an empty value. */
const xattrBytesMin = 8;

function readConfig(bytes: Uint8Array): JsonValue {
  if (bytes.length > configBytesMax) throw tooLarge('bytes of config', configBytesMax);
  return parseCanonical(bytes);
}

function unknownVersion(what: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_VERSION_UNKNOWN', `this release does not know ${what} of flists`, {
    hint: 'use a newer release',
    details: { what },
  });
}
