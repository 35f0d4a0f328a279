import { bytesOfText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';

/** What the kernel asks: `enum fuse_opcode` of linux/fuse.h. Others are answered with ENOSYS. */
export const opcodes = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  readlink: 5,
  read: 15,
  statfs: 17,
  release: 18,
  getxattr: 22,
  listxattr: 23,
  flush: 25,
  init: 26,
  readdir: 28,
  releasedir: 29,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  readdirplus: 44,
} as const;

/** Numbers of errors, as Linux has them. */
export const errnos = {
  noEntry: 2,
  interrupted: 4,
  io: 5,
  notDirectory: 20,
  invalid: 22,
  range: 34,
  noSystemCall: 38,
  noData: 61,
} as const;

export const inHeaderBytes = 40;
export const outHeaderBytes = 16;
export const attrBytes = 88;
export const entryBytes = 40 + attrBytes;

/** Pages of 4 KiB of the longest answer. */
const readPagesMax = 256;

/** Bytes of the content that one answer has. */
export const readBytesMax = readPagesMax * 4096;

/** What is read from the kernel at a time: a request without data to write. */
export const requestBytesMax = 64 * 1024;

/** The kernel's requests that wait in the background, such as reading ahead, at a time. */
const backgroundMax = 64;

/** For how long the kernel believes what cannot change. */
export const foreverSeconds = 365n * 86_400n;

export interface FuseRequest {
  readonly opcode: number;
  readonly unique: bigint;
  readonly nodeId: bigint;
  /** What follows the header; valid until the next request is read. */
  readonly body: Buffer;
}

export function parseRequest(bytes: Buffer): FuseRequest {
  return {
    opcode: bytes.readUInt32LE(4),
    unique: bytes.readBigUInt64LE(8),
    nodeId: bytes.readBigUInt64LE(16),
    body: bytes.subarray(inHeaderBytes, bytes.readUInt32LE(0)),
  };
}

/** The head of an answer of so many bytes; an error has none. */
export function writeHeader(
  out: Buffer,
  { unique, sizeBytes = 0, errno = 0 }: { unique: bigint; sizeBytes?: number; errno?: number },
): void {
  out.writeUInt32LE(outHeaderBytes + sizeBytes, 0);
  out.writeInt32LE(-errno, 4);
  out.writeBigUInt64LE(unique, 8);
}

/** What `stat` says of a node. */
export interface NodeStat {
  readonly nodeId: bigint;
  readonly sizeBytes: number;
  readonly seconds: bigint;
  readonly nanoseconds: number;
  readonly mode: number;
  readonly linkCount: number;
  readonly uid: number;
  readonly gid: number;
  readonly device: number;
}

/** `struct fuse_attr`. All three times are that of the last change. */
export function writeAttr(out: Buffer, at: number, stat: NodeStat): void {
  out.writeBigUInt64LE(stat.nodeId, at);
  out.writeBigUInt64LE(BigInt(stat.sizeBytes), at + 8);
  out.writeBigUInt64LE(BigInt(Math.ceil(stat.sizeBytes / 512)), at + 16);
  for (let time = 0; time < 3; time += 1) {
    out.writeBigInt64LE(stat.seconds, at + 24 + time * 8);
    out.writeUInt32LE(stat.nanoseconds, at + 48 + time * 4);
  }
  out.writeUInt32LE(stat.mode, at + 60);
  out.writeUInt32LE(stat.linkCount, at + 64);
  out.writeUInt32LE(stat.uid, at + 68);
  out.writeUInt32LE(stat.gid, at + 72);
  out.writeUInt32LE(stat.device, at + 76);
  out.writeUInt32LE(4096, at + 80);
  out.writeUInt32LE(0, at + 84);
}

/** `struct fuse_entry_out`: a name that was found. */
export function writeEntry(out: Buffer, at: number, stat: NodeStat): void {
  out.writeBigUInt64LE(stat.nodeId, at);
  out.writeBigUInt64LE(0n, at + 8);
  out.writeBigUInt64LE(foreverSeconds, at + 16);
  out.writeBigUInt64LE(foreverSeconds, at + 24);
  out.writeBigUInt64LE(0n, at + 32);
  writeAttr(out, at + 40, stat);
}

/** Bytes of `struct fuse_dirent` with its name. */
export function direntBytes(name: ByteText): number {
  return Math.ceil((24 + name.length) / 8) * 8;
}

/** `struct fuse_dirent`. `next` is where reading goes on behind it. */
export function writeDirent(
  out: Buffer,
  at: number,
  { name, stat, next }: { name: ByteText; stat: NodeStat; next: number },
): void {
  out.fill(0, at, at + direntBytes(name));
  out.writeBigUInt64LE(stat.nodeId, at);
  out.writeBigUInt64LE(BigInt(next), at + 8);
  out.writeUInt32LE(name.length, at + 16);
  out.writeUInt32LE(stat.mode >>> 12, at + 20);
  out.set(bytesOfText(name), at + 24);
}

/** What was agreed with the kernel when the file system was mounted. */
export interface FuseSession {
  /** It asks again, on order, what a server that died had not answered: Linux 6.9 and later. */
  readonly canResend: boolean;
}

const initFlags = {
  asyncRead: 1 << 0,
  doReaddirplus: 1 << 13,
  readdirplusAuto: 1 << 14,
  noOpen: 1 << 17,
  parallelLookups: 1 << 18,
  posixAcl: 1 << 20,
  maxPages: 1 << 22,
  cacheSymlinks: 1 << 23,
  noOpendir: 1 << 24,
  extended: 1 << 30,
} as const;
/** Of the second 32 flags. */
const hasResend = 1 << 7;

const majorVersion = 7;
const minorVersion = 40;
/** The oldest protocol whose answers have the sizes above and whose flags are used. */
const minorVersionMin = 31;

/**
 * The answer to the first request, `FUSE_INIT`.
 * @returns undefined for a kernel whose protocol is too old
 */
export function answerInit(
  request: FuseRequest,
): { readonly answer: Buffer; readonly session: FuseSession } | undefined {
  const { body, unique } = request;
  const minor = body.readUInt32LE(4);
  if (body.readUInt32LE(0) !== majorVersion || minor < minorVersionMin) return undefined;
  const offered = body.readUInt32LE(12);
  const offeredMore = body.length >= 20 ? body.readUInt32LE(16) : 0;
  const canResend = (offered & initFlags.extended) !== 0 && (offeredMore & hasResend) !== 0;
  const wanted = Object.values(initFlags).reduce((all, flag) => all | flag, 0);
  const answer = Buffer.alloc(outHeaderBytes + 64);
  writeHeader(answer, { unique, sizeBytes: 64 });
  const out = answer.subarray(outHeaderBytes);
  out.writeUInt32LE(majorVersion, 0);
  out.writeUInt32LE(Math.min(minor, minorVersion), 4);
  out.writeUInt32LE(readBytesMax, 8);
  out.writeUInt32LE((wanted & offered) >>> 0, 12);
  out.writeUInt16LE(backgroundMax, 16);
  out.writeUInt16LE((backgroundMax / 4) * 3, 18);
  out.writeUInt32LE(4096, 20);
  out.writeUInt32LE(1, 24);
  out.writeUInt16LE(readPagesMax, 28);
  out.writeUInt32LE(canResend ? hasResend : 0, 32);
  return { answer, session: { canResend } };
}

const notifyResend = 7;

/** Has the kernel ask again all that nobody has answered. */
export function resendNotice(): Buffer {
  const notice = Buffer.alloc(outHeaderBytes);
  notice.writeUInt32LE(outHeaderBytes, 0);
  notice.writeInt32LE(notifyResend, 4);
  return notice;
}
