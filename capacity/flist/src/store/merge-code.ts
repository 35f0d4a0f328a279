import { chunkBytes } from '../tree/inode.ts';
import { mergeProgram } from './merge-program.ts';
import {
  codeLeadBytes,
  splitExtraBytesMax,
  splitHeaderBytes,
  strideMax,
  tableBytes,
  tablesMax,
} from './split-form.ts';
import type { StepTable } from './split-form.ts';
import { addSteps } from './step-tables.ts';

const pageBytes = 64 * 1024;

/** What is written beyond the plaintext, at most: a chunk of code without a site, and its last step. */
const roomBytes = chunkBytes + splitExtraBytesMax + 64;

/** For the split form, which is at the start, the plaintext behind it, and what is beyond that. */
const memoryPages = Math.ceil(
  (chunkBytes + splitExtraBytesMax + chunkBytes + roomBytes) / pageBytes,
);

/** Of what is exported by the module. */
interface Merger {
  readonly memory: Uint8Array;
  readonly run: (...places: number[]) => number;
}

let merger: Merger | undefined;

/**
 * The plaintext of the split form of a chunk. What it makes of nonsense is nonsense, which the hash
 * of the chunk tells; it does no more work for it than for a chunk.
 * @param split in memory that is used for the plaintext where there is room
 * @returns undefined when the form is not kept, or the plaintext would have more bytes
 */
export function mergeCode(
  split: Buffer<ArrayBuffer>,
  sizeBytesMax: number,
): Buffer<ArrayBuffer> | undefined {
  const head = readHead(split);
  if (head === undefined || head.sizeBytes > Math.min(sizeBytesMax, chunkBytes)) return undefined;
  const { sizeBytes, from, until, data, code, tables } = head;
  merger ??= newMerger();
  const { memory, run } = merger;
  memory.set(split);
  const out = split.length;
  const outEnd = out + until - from;
  try {
    const [calls, addresses, jumps] = head.streams;
    if (run(code, out, calls, addresses, jumps, out, outEnd) !== outEnd) return undefined;
  } catch {
    // It left its memory.
    return undefined;
  }
  const plaintext = roomOf(split, sizeBytes);
  plaintext.set(memory.subarray(data, data + from));
  plaintext.set(memory.subarray(out, outEnd), from);
  plaintext.set(memory.subarray(data + from, data + from + sizeBytes - until), until);
  addSteps(new Int32Array(plaintext.buffer, plaintext.byteOffset, sizeBytes >> 2), tables);
  return plaintext;
}

interface Head {
  readonly sizeBytes: number;
  /** Where in the plaintext code is. */
  readonly from: number;
  readonly until: number;
  /** Where calls, addresses and jumps begin. */
  readonly streams: readonly [number, number, number];
  /** Where that begins which is not code, and where the code without operands, which is last. */
  readonly data: number;
  readonly code: number;
  readonly tables: readonly StepTable[];
}

function readHead(split: Buffer): Head | undefined {
  const { length } = split;
  if (length < splitHeaderBytes || length > chunkBytes + splitExtraBytesMax) return undefined;
  const number = (index: number): number => split.readUInt32LE(index * 4);
  const [sizeBytes, from, until, count] = [number(0), number(1), number(2), number(6)];
  const calls = splitHeaderBytes + count * tableBytes;
  const addresses = calls + number(3);
  const jumps = addresses + number(4);
  const data = jumps + number(5);
  const code = data + from + (sizeBytes - until) + codeLeadBytes;
  const isOrdered = from <= until && until <= sizeBytes && code <= length;
  if (!isOrdered || count > tablesMax) return undefined;
  const tables = Array.from({ length: count }, (_, index) => {
    const place = splitHeaderBytes / 4 + index * 3;
    return { first: number(place), words: number(place + 1), stride: number(place + 2) };
  });
  const isWithin = ({ first, words, stride }: StepTable): boolean =>
    stride >= 1 && stride <= strideMax && first >= stride && (first + words) * 4 <= sizeBytes;
  if (!tables.every(isWithin)) return undefined;
  return { sizeBytes, from, until, streams: [calls, addresses, jumps], data, code, tables };
}

/** New memory costs more than what is done here. */
function roomOf({ buffer, byteOffset }: Buffer<ArrayBuffer>, size: number): Buffer<ArrayBuffer> {
  const hasRoom = byteOffset === 0 && buffer.byteLength >= size;
  return Buffer.from(hasRoom ? buffer : new ArrayBuffer(size), 0, size);
}

interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: MergerExports };
}

interface MergerExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly run: Merger['run'];
}

// Node has it; its types do not.
declare const WebAssembly: WebAssemblyApi;

function newMerger(): Merger {
  const module = new WebAssembly.Module(mergeProgram(memoryPages));
  const { memory, run } = new WebAssembly.Instance(module).exports;
  return { memory: new Uint8Array(memory.buffer), run };
}
