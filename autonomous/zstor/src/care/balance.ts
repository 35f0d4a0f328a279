import type { Backend } from '../backends/backend.ts';

/** Backends are filled unevenly when the fullest has so much more of its room in use than the emptiest. */
const unevenPart = 0.1;
/** They are even again when it is no more than this. */
const evenPart = 0.03;

interface Room {
  readonly roomBytes: number;
  usedBytes: number;
}

/**
 * How full backends are, by what records say: what was moved away counts no more, though it may not be
 * deleted yet. Spares stay empty.
 */
export class Balance {
  readonly #rooms = new Map<number, Room>();

  /** @param bytesOf what records have on a backend */
  constructor(backends: readonly Backend[], bytesOf: (no: number) => number) {
    for (const { no, isSpare, isWritable, usedBytes, freeBytes } of backends) {
      if (isSpare || !isWritable) continue;
      this.#rooms.set(no, { roomBytes: usedBytes + freeBytes, usedBytes: bytesOf(no) });
    }
  }

  get isUneven(): boolean {
    return this.#gap > unevenPart;
  }

  get isEven(): boolean {
    return this.#gap <= evenPart;
  }

  /** Whether something is to be moved away from it. */
  isFull(no: number): boolean {
    const room = this.#rooms.get(no);
    return room !== undefined && fillOf(room) > this.#mean + evenPart / 2;
  }

  /** Those that get nothing, because they are as full as most. */
  get closed(): readonly number[] {
    const mean = this.#mean;
    return [...this.#rooms].flatMap(([no, room]) => (fillOf(room) < mean ? [] : [no]));
  }

  moved(from: number, to: number, bytes: number): void {
    const [source, target] = [this.#rooms.get(from), this.#rooms.get(to)];
    if (source !== undefined) source.usedBytes -= bytes;
    if (target !== undefined) target.usedBytes += bytes;
  }

  get #gap(): number {
    const fills = [...this.#rooms.values()].map(fillOf);
    return fills.length === 0 ? 0 : Math.max(...fills) - Math.min(...fills);
  }

  get #mean(): number {
    const rooms = [...this.#rooms.values()];
    const used = rooms.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
    return (
      used /
      Math.max(
        1,
        rooms.reduce((sum, { roomBytes }) => sum + roomBytes, 0),
      )
    );
  }
}

function fillOf({ usedBytes, roomBytes }: Room): number {
  return usedBytes / Math.max(1, roomBytes);
}
