import { hash } from 'node:crypto';
import type { JsonValue } from '@commongrid/crypto';
import type { Directory, RegularFile } from '../tree/inode.ts';

/** SHA-256 of the canonical bytes of an flist, 64 lowercase hex digits: its name in contracts. */
export type FlistDigest = string & { readonly FlistDigest: unique symbol };

/** An image without its data. */
export interface Flist {
  readonly root: Directory;
  /** How it is to be run, as OCI has it. `imageConfigOf` reads it. */
  readonly config?: JsonValue;
  /** What a start of the image read, in order. */
  readonly trace?: readonly TraceRange[];
}

/** Chunks of a file one behind the other. */
export interface TraceRange {
  /** One of the files in the tree: this very object. */
  readonly file: RegularFile;
  readonly firstChunk: number;
  /** At least 1. */
  readonly chunkCount: number;
}

/** Bytes of the canonical JSON of a config. */
export const configBytesMax = 1024 * 1024;

/** Ranges of a trace. */
export const traceRangesMax = 65_536;

/** `CGFLIST` and the version. */
export const flistHead: Uint8Array = Buffer.from('CGFLIST\x01', 'latin1');

/** Numbers of sections. */
export const sections = { tree: 1, chunks: 2, config: 3, trace: 4, private: 5 } as const;

/** Numbers of kinds of inodes. */
export const kindNumbers = {
  file: 1,
  directory: 2,
  symlink: 3,
  'character-device': 4,
  'block-device': 5,
  fifo: 6,
} as const;

export function flistDigestOf(bytes: Uint8Array): FlistDigest {
  return hash('sha256', bytes, 'hex') as FlistDigest;
}

/** The text as a digest; undefined when it is not 64 lowercase hex digits. */
export function parseFlistDigest(text: string): FlistDigest | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? (text as FlistDigest) : undefined;
}
