import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const source = fileURLToPath(new URL('isa-l-driver.c', import.meta.url));

/** Shards in memory: `distanceBytes` from one to the next. */
export interface KernelLoad {
  readonly dataShards: number;
  readonly parityShards: number;
  readonly shardBytes: number;
  readonly distanceBytes: number;
  readonly totalBytes: number;
}

/** What both sides are given, so that their parity can be compared. */
export function benchByte(shard: number, at: number): number {
  return Math.imul(shard * 65536 + at, 2654435761) >>> 24;
}

/** The rival: Intel's library, in a process of its own. */
export class IsaL {
  readonly #program: string;
  readonly #signal: AbortSignal;

  private constructor(program: string, signal: AbortSignal) {
    this.#program = program;
    this.#signal = signal;
  }

  /** Compiles the driver; undefined where there is no gcc or no ISA-L (Debian: libisal-dev). */
  static async build(folder: string, signal: AbortSignal): Promise<IsaL | undefined> {
    const program = join(folder, 'isa-l-driver');
    try {
      await execute('gcc', ['-O2', '-o', program, source, '-lisal'], { signal });
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
    return new IsaL(program, signal);
  }

  async encode(load: KernelLoad): Promise<{ mbPerCpuSecond: number; crc: number }> {
    const { dataShards, parityShards, shardBytes, distanceBytes, totalBytes } = load;
    const words = [dataShards, parityShards, shardBytes, distanceBytes, totalBytes].map(String);
    const { stdout } = await execute(this.#program, words, { signal: this.#signal });
    const [mbPerCpuSecond = NaN, crc = NaN] = stdout.trim().split(' ').map(Number);
    return { mbPerCpuSecond, crc };
  }
}
