import { GridError } from '@commongrid/base';
import { canonicalBytes } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import type { FlistErrorCode } from '../errors.ts';
import { shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { checkInode, checkName } from '../tree/check-inode.ts';
import type { Directory, Inode } from '../tree/inode.ts';
import {
  depthMax,
  flistBytesMax,
  inodesMax,
  namesMax,
  tooLarge,
  xattrsMax,
} from '../tree/tree-limits.ts';
import { ByteWriter } from './byte-writer.ts';
import { configBytesMax, flistHead, kindNumbers, sections } from './flist.ts';
import type { Flist } from './flist.ts';
import { traceBytesOf } from './trace-bytes.ts';

/**
 * The canonical bytes of an flist: docs/formats/flist.md.
 * @throws FLIST_TOO_LARGE, FLIST_NODE_INVALID, FLIST_NAME_INVALID, FLIST_ID_OUT_OF_RANGE,
 * FLIST_XATTR_FORBIDDEN, CRYPTO_JSON_UNSUPPORTED for a config that is no JSON
 */
export function encodeFlist({ root, config, trace = [] }: Flist): Buffer {
  const tree = new TreeEncoder();
  tree.encode(root);
  const out = new ByteWriter();
  out.raw(flistHead);
  writeSection(out, sections.tree, tree.nodes.take());
  writeSection(out, sections.chunks, tree.chunks.take());
  if (config !== undefined) writeSection(out, sections.config, configBytesOf(config));
  writeSection(out, sections.trace, traceBytesOf(trace, tree.numbers));
  if (out.length > flistBytesMax) throw tooLarge('bytes', flistBytesMax);
  return out.take();
}

/** A section that would have nothing is not there. */
function writeSection(out: ByteWriter, number: number, content: Uint8Array): void {
  if (content.length === 0) return;
  out.byte(number);
  out.varint(content.length);
  out.raw(content);
}

interface OpenDirectory {
  readonly name: string;
  readonly entries: Iterator<[ByteText, Inode]>;
  last: string;
}

class TreeEncoder {
  readonly nodes = new ByteWriter();
  readonly chunks = new ByteWriter();
  /** Which node an inode is, the root being 1. */
  readonly numbers = new Map<Inode, number>();
  #names = 0;
  #xattrs = 0;
  readonly #open: OpenDirectory[] = [];

  encode(root: Directory): void {
    this.#writeNode('', root);
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      const next = top.entries.next();
      if (next.done === true) this.#open.pop();
      else this.#writeEntry(top, ...next.value);
    }
  }

  #writeEntry(top: OpenDirectory, name: ByteText, inode: Inode): void {
    checkName(name);
    if (name <= top.last) throw this.#invalid(name, 'is out of order in its folder');
    top.last = name;
    if (++this.#names > namesMax) throw tooLarge('names', namesMax);
    if (this.#open.length > depthMax) throw tooLarge('names one in another', depthMax);
    this.nodes.text(name);
    const known = this.numbers.get(inode);
    if (known !== undefined && inode.kind === 'directory') {
      throw this.#invalid(name, 'is a directory that has another name already');
    }
    this.nodes.varint(known ?? 0);
    if (known === undefined) this.#writeNode(name, inode);
  }

  #writeNode(name: string, inode: Inode): void {
    checkInode(inode, () => this.#pathTo(name));
    if (this.numbers.size >= inodesMax) throw tooLarge('inodes', inodesMax);
    this.numbers.set(inode, this.numbers.size + 1);
    this.#writeBase(inode);
    const { nodes } = this;
    switch (inode.kind) {
      case 'file':
        nodes.varint(inode.sizeBytes);
        this.chunks.raw(inode.chunkHashes);
        return;
      case 'directory':
        nodes.varint(inode.entries.size);
        this.#open.push({ name, entries: inode.entries[Symbol.iterator](), last: '' });
        return;
      case 'symlink':
        nodes.text(inode.target);
        return;
      case 'character-device':
      case 'block-device':
        nodes.varint(inode.major);
        nodes.varint(inode.minor);
        return;
      case 'fifo':
    }
  }

  #writeBase({ kind, mode, uid, gid, mtimeNs, xattrs }: Inode): void {
    const { nodes } = this;
    nodes.byte(kindNumbers[kind]);
    nodes.varint(mode);
    nodes.varint(uid);
    nodes.varint(gid);
    const nanoseconds = ((mtimeNs % nsPerSecond) + nsPerSecond) % nsPerSecond;
    nodes.signedVarint(Number((mtimeNs - nanoseconds) / nsPerSecond));
    nodes.varint(Number(nanoseconds));
    nodes.varint(xattrs.length);
    this.#xattrs += xattrs.length;
    if (this.#xattrs > xattrsMax) throw tooLarge('attributes', xattrsMax);
    for (const xattr of xattrs) {
      nodes.text(xattr.name);
      nodes.varint(xattr.value.length);
      nodes.raw(xattr.value);
    }
  }

  #pathTo(name: string): string {
    const names = [...this.#open.map((folder) => folder.name), name];
    return shownText(names.join('/') as ByteText) || '/';
  }

  #invalid(name: string, what: string): GridError<FlistErrorCode> {
    const path = this.#pathTo(name);
    return new GridError('FLIST_NODE_INVALID', `${path} ${what}`, { details: { path } });
  }
}

const nsPerSecond = 1_000_000_000n;

function configBytesOf(config: JsonValue): Uint8Array {
  const bytes = canonicalBytes(config);
  if (bytes.length > configBytesMax) throw tooLarge('bytes of config', configBytesMax);
  return bytes;
}
