import { multiply } from './galois-field.ts';
import {
  bestKernelModule,
  coefficientTableBytes,
  groupRowsMax,
  instantiateKernels,
  kernelStepBytes,
} from './kernel.ts';
import type { Kernel } from './kernel.ts';
import { webAssembly } from './web-assembly.ts';

/**
 * Memory of a mixer. It holds the tables and one slice of each shard, whatever the length of shards,
 * so that a slice is still in the cache when the kernel reads it. An engine reserves gigabytes of
 * address space for each memory: there is one in a thread.
 */
const mixerMemoryBytesMax = 2 ** 20;
/** Longest slice of a shard. Longer ones are no faster. */
const sliceBytesMax = 2 ** 14;
/** Slices at a distance of a power of two would compete for the same few lines of the cache. */
const skewBytes = kernelStepBytes;

/** Rows of coefficients, as the kernel wants them: in groups, each coefficient as its tables. */
export class Mix {
  readonly sourceCount: number;
  readonly outputCount: number;
  readonly tables: Uint8Array;

  /** @param rows for each output, what each source is multiplied by */
  constructor(rows: readonly Uint8Array[]) {
    this.sourceCount = rows[0]?.length ?? 0;
    this.outputCount = rows.length;
    this.tables = new Uint8Array(this.sourceCount * this.outputCount * coefficientTableBytes);
    let at = 0;
    for (let first = 0; first < rows.length; first += groupRowsMax) {
      const group = rows.slice(first, first + groupRowsMax);
      for (let source = 0; source < this.sourceCount; source++) {
        for (const row of group) {
          writeTables(this.tables, at, row[source] ?? 0);
          at += coefficientTableBytes;
        }
      }
    }
  }
}

/**
 * Makes output shards out of source shards: copies slices of the sources into the memory of the
 * kernel, runs it, copies the outputs back. Not reentrant, and it need not be: nothing waits.
 */
export class ShardMixer {
  readonly #bytes: Uint8Array;
  readonly #kernels: readonly Kernel[];
  #loaded: Mix | undefined;

  /** @param module what `kernelModule` gives */
  constructor(module: Uint8Array = bestKernelModule()) {
    const pages = mixerMemoryBytesMax / 2 ** 16;
    const memory = new webAssembly.Memory({ initial: pages, maximum: pages });
    this.#bytes = new Uint8Array(memory.buffer);
    this.#kernels = instantiateKernels(module, memory);
  }

  /** Sources and outputs are of one length and as many as the mix says. */
  run(mix: Mix, sources: readonly Uint8Array[], outputs: readonly Uint8Array[]): void {
    if (this.#loaded !== mix) this.#bytes.set(mix.tables);
    this.#loaded = mix;
    const lengthBytes = sources[0]?.length ?? 0;
    const sliceBytes = sliceBytesOf(mix);
    for (let from = 0; from < lengthBytes; from += sliceBytes) {
      this.#runSlice(mix, sources, outputs, from, Math.min(lengthBytes, from + sliceBytes));
    }
  }

  #runSlice(
    mix: Mix,
    sources: readonly Uint8Array[],
    outputs: readonly Uint8Array[],
    from: number,
    to: number,
  ): void {
    const strideBytes = sliceBytesOf(mix) + skewBytes;
    const sourcesAt = mix.tables.length;
    const outputsAt = sourcesAt + sources.length * strideBytes;
    for (const [index, source] of sources.entries()) {
      this.#bytes.set(source.subarray(from, to), sourcesAt + index * strideBytes);
    }
    // What follows the last byte up to a whole step is of no meaning, and is not copied back.
    const lengthBytes = Math.ceil((to - from) / kernelStepBytes) * kernelStepBytes;
    for (let first = 0; first < outputs.length; first += groupRowsMax) {
      const kernel = this.#kernels[Math.min(groupRowsMax, outputs.length - first) - 1];
      const tables = first * sources.length * coefficientTableBytes;
      const target = outputsAt + first * strideBytes;
      kernel?.(tables, sourcesAt, target, strideBytes, sources.length, lengthBytes);
    }
    for (const [index, output] of outputs.entries()) {
      const at = outputsAt + index * strideBytes;
      output.set(this.#bytes.subarray(at, at + to - from), from);
    }
  }
}

let threadMixer: ShardMixer | undefined;

/** The mixer of this thread; the first call makes it, in some milliseconds. */
export function sharedMixer(): ShardMixer {
  return (threadMixer ??= new ShardMixer());
}

/** With 255 shards, half of them parity, tables fill half of the memory and slices have 2 KiB. */
function sliceBytesOf({ sourceCount, outputCount, tables }: Mix): number {
  const room = (mixerMemoryBytesMax - tables.length) / (sourceCount + outputCount) - skewBytes;
  const steps = Math.floor(Math.min(sliceBytesMax, room) / kernelStepBytes);
  return steps * kernelStepBytes;
}

function writeTables(tables: Uint8Array, at: number, coefficient: number): void {
  for (let bits = 0; bits < 16; bits++) {
    tables[at + bits] = multiply(coefficient, bits);
    tables[at + 16 + bits] = multiply(coefficient, bits << 4);
  }
}
