/** Bytes of a segment that one entry of its index stands for, at least. */
export const indexStrideBytes = 64 * 1024;

const entryBytes = 8;

/** Where in a segment to begin looking for a sequence: one of its frames about every 64 KiB. */
export class SparseIndex {
  readonly first: number;
  readonly #sequences: number[] = [];
  readonly #offsets: number[] = [];

  /** @param first sequence of the first entry of the segment */
  constructor(first: number) {
    this.first = first;
  }

  /** Notes a frame, unless it is near the last one that was noted. Frames come in order. */
  add(sequence: number, offset: number): void {
    const last = this.#offsets.at(-1);
    if (last !== undefined && offset - last < indexStrideBytes) return;
    this.#sequences.push(sequence);
    this.#offsets.push(offset);
  }

  /** Offset of a frame at or before the one that holds `sequence`. */
  offsetBefore(sequence: number): number {
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sequences[middle] ?? 0) <= sequence) low = middle + 1;
      else high = middle;
    }
    return this.#offsets[low - 1] ?? 0;
  }

  get count(): number {
    return this.#offsets.length;
  }

  encode(): Buffer {
    const bytes = Buffer.alloc(this.count * entryBytes);
    for (const [i, offset] of this.#offsets.entries()) {
      bytes.writeUInt32LE((this.#sequences[i] ?? 0) - this.first, i * entryBytes);
      bytes.writeUInt32LE(offset, i * entryBytes + 4);
    }
    return bytes;
  }

  static decode(first: number, bytes: Buffer): SparseIndex {
    const index = new SparseIndex(first);
    for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
      index.#sequences.push(first + bytes.readUInt32LE(at));
      index.#offsets.push(bytes.readUInt32LE(at + 4));
    }
    return index;
  }
}
