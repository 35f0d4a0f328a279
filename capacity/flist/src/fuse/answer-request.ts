import { byteTextOf, bytesOfText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { xattrBytesMax } from '../tree/tree-limits.ts';
import {
  attrBytes,
  direntBytes,
  entryBytes,
  errnos,
  foreverSeconds,
  opcodes,
  outHeaderBytes,
  writeAttr,
  writeDirent,
  writeEntry,
} from './fuse-wire.ts';
import type { FuseRequest } from './fuse-wire.ts';
import type { ImageNodes } from './image-nodes.ts';

/** An answer that is in the buffer: bytes behind its header, or the number of an error. */
export type Answer = { readonly sizeBytes: number } | { readonly errno: number };

/**
 * Answers what is asked about names and metadata into `out`, behind its header.
 * @returns undefined for what the kernel wants no answer to
 */
export function answerRequest(
  nodes: ImageNodes,
  request: FuseRequest,
  out: Buffer,
): Answer | undefined {
  const answer = answers.get(request.opcode);
  if (silent.has(request.opcode)) return undefined;
  return answer === undefined ? { errno: errnos.noSystemCall } : answer(nodes, request, out);
}

const silent: ReadonlySet<number> = new Set([
  opcodes.forget,
  opcodes.batchForget,
  opcodes.interrupt,
]);

type Answering = (nodes: ImageNodes, request: FuseRequest, out: Buffer) => Answer;

const nothing: Answer = { sizeBytes: 0 };
const noEntry: Answer = { errno: errnos.noEntry };

const answers: ReadonlyMap<number, Answering> = new Map<number, Answering>([
  [opcodes.lookup, lookup],
  [opcodes.getattr, getattr],
  [opcodes.readlink, readlink],
  [opcodes.readdir, readdir],
  [opcodes.readdirplus, readdir],
  [opcodes.statfs, statfs],
  [opcodes.getxattr, getxattr],
  [opcodes.listxattr, listxattr],
  [opcodes.release, () => nothing],
  [opcodes.releasedir, () => nothing],
  [opcodes.flush, () => nothing],
  [opcodes.destroy, () => nothing],
]);

/** A name that is not there is asked for again each time: objects of a new mount come. */
/** The name that is looked up. */
export function nameIn({ body }: FuseRequest): ByteText {
  return byteTextOf(body.subarray(0, body.indexOf(0)));
}

function lookup(nodes: ImageNodes, request: FuseRequest, out: Buffer): Answer {
  const stat = nodes.lookup(request.nodeId, nameIn(request));
  if (stat === undefined) return noEntry;
  writeEntry(out, outHeaderBytes, stat);
  return { sizeBytes: entryBytes };
}

function getattr(nodes: ImageNodes, { nodeId }: FuseRequest, out: Buffer): Answer {
  const stat = nodes.stat(nodeId);
  if (stat === undefined) return noEntry;
  out.writeBigUInt64LE(foreverSeconds, outHeaderBytes);
  out.writeBigUInt64LE(0n, outHeaderBytes + 8);
  writeAttr(out, outHeaderBytes + 16, stat);
  return { sizeBytes: 16 + attrBytes };
}

function readlink(nodes: ImageNodes, { nodeId }: FuseRequest, out: Buffer): Answer {
  const inode = nodes.inodeOf(nodeId);
  if (inode?.kind !== 'symlink') return { errno: errnos.invalid };
  return bytesAnswer(bytesOfText(inode.target), out);
}

function readdir(nodes: ImageNodes, request: FuseRequest, out: Buffer): Answer {
  const { opcode, nodeId, body } = request;
  const first = Number(body.readBigUInt64LE(8));
  const endAt = outHeaderBytes + Math.min(body.readUInt32LE(16), out.length - outHeaderBytes);
  const plusBytes = opcode === opcodes.readdirplus ? entryBytes : 0;
  let at = outHeaderBytes;
  let next = first;
  for (const [name, stat] of nodes.list(nodeId, first)) {
    if (at + plusBytes + direntBytes(name) > endAt) break;
    next += 1;
    // The kernel takes no hold of these two: their entries have no node.
    const isDots = name === '.' || name === '..';
    if (plusBytes > 0 && isDots) out.fill(0, at, at + plusBytes);
    else if (plusBytes > 0) writeEntry(out, at, stat);
    writeDirent(out, at + plusBytes, { name, stat, next });
    at += plusBytes + direntBytes(name);
  }
  return { sizeBytes: at - outHeaderBytes };
}

const statfsBytes = 80;
/** Bytes of a name, as statfs tells. */
const nameBytesMax = 255;

function statfs(_nodes: ImageNodes, _request: FuseRequest, out: Buffer): Answer {
  out.fill(0, outHeaderBytes, outHeaderBytes + statfsBytes);
  out.writeUInt32LE(4096, outHeaderBytes + 40);
  out.writeUInt32LE(nameBytesMax, outHeaderBytes + 44);
  out.writeUInt32LE(4096, outHeaderBytes + 48);
  return { sizeBytes: statfsBytes };
}

function getxattr(nodes: ImageNodes, { nodeId, body }: FuseRequest, out: Buffer): Answer {
  const name = byteTextOf(body.subarray(8, body.indexOf(0, 8)));
  const found = nodes.xattrsOf(nodeId).find((xattr) => xattr.name === name);
  if (found === undefined) return { errno: errnos.noData };
  return xattrAnswer(found.value, body.readUInt32LE(0), out);
}

function listxattr(nodes: ImageNodes, { nodeId, body }: FuseRequest, out: Buffer): Answer {
  const names = nodes.xattrsOf(nodeId).map(({ name }) => `${name}\0`);
  const list = Buffer.from(names.join(''), 'latin1');
  return xattrAnswer(list, body.readUInt32LE(0), out);
}

/** Whoever gives no room asks how much is needed. */
function xattrAnswer(value: Uint8Array, roomBytes: number, out: Buffer): Answer {
  if (roomBytes === 0) {
    out.writeUInt32LE(value.length, outHeaderBytes);
    out.writeUInt32LE(0, outHeaderBytes + 4);
    return { sizeBytes: 8 };
  }
  return value.length > Math.min(roomBytes, xattrBytesMax)
    ? { errno: errnos.range }
    : bytesAnswer(value, out);
}

function bytesAnswer(bytes: Uint8Array, out: Buffer): Answer {
  out.set(bytes, outHeaderBytes);
  return { sizeBytes: bytes.length };
}
