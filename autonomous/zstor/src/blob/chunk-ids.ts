import { systemRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';

/**
 * Gives out ids of chunks: epoch of the head u32, counter u64, random u32, big endian. None is given
 * twice: an epoch has one head, and in a run the counter only grows.
 *
 * A chunk that nothing refers to may belong to a request that is still running. Ids are therefore
 * given to requests: when it ends, what has no record by then will never have one.
 */
export class ChunkIds {
  readonly #epoch: () => number;
  readonly #random: Random;
  readonly #requests = new Set<ChunkIdRequest>();
  /** Epochs in which this head gave ids away, and those of requests that have not ended. */
  readonly #epochs = new Set<number>();
  readonly #inFlight = new Set<string>();
  #counter = 0n;

  /** @param epoch of this head; it must not go on in an epoch after a restart */
  constructor(epoch: () => number, random: Random = systemRandom) {
    this.#epoch = epoch;
    this.#random = random;
  }

  /** Counters from here on may be in use by requests that have not ended. */
  get oldestInFlight(): bigint {
    // They begin in the order of their counters.
    for (const { firstCounter } of this.#requests) return firstCounter;
    return this.#counter;
  }

  /**
   * Whether a chunk that nothing refers to may still be referred to later: by a request of this head that
   * has not ended, whichever epoch it began in, or by a head that came after it. What an earlier head
   * did not bring into the log before this one replayed it is lost.
   */
  mayBeInFlight(chunkId: Buffer): boolean {
    const epoch = chunkId.readUInt32BE(0);
    if (this.#epochs.has(epoch)) return this.#inFlight.has(nameOf(chunkId));
    return epoch >= this.#epoch();
  }

  begin(): ChunkIdRequest {
    const names: string[] = [];
    const request: ChunkIdRequest = {
      firstCounter: this.#counter,
      next: () => {
        const id = this.#next();
        names.push(nameOf(id));
        this.#inFlight.add(nameOf(id));
        return id;
      },
      end: () => {
        this.#requests.delete(request);
        for (const name of names.splice(0)) this.#inFlight.delete(name);
      },
    };
    this.#requests.add(request);
    return request;
  }

  #next(): Buffer {
    const id = Buffer.allocUnsafeSlow(16);
    const epoch = this.#epoch();
    this.#epochs.add(epoch);
    id.writeUInt32BE(epoch, 0);
    id.writeBigUInt64BE(this.#counter++, 4);
    id.writeUInt32BE(this.#random.uint32(), 12);
    return id;
  }
}

function nameOf(chunkId: Buffer): string {
  return chunkId.toString('latin1');
}

/** The ids of one request. It ends when what it wrote is referred to, or given up. */
export interface ChunkIdRequest {
  readonly firstCounter: bigint;
  next(): Uint8Array;
  /** Idempotent. */
  end(): void;
}
