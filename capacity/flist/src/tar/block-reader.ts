/**
 * Takes exact numbers of bytes from a stream that comes in pieces of any size. It holds one piece,
 * and what was asked for.
 */
export class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;
  #isEnded = false;
  /** Bytes that were taken so far. */
  takenBytes = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /**
   * The next bytes, at least one and at most `maxBytes`; they are valid until the next call.
   * Undefined at the end.
   */
  async some(maxBytes: number): Promise<Uint8Array | undefined> {
    while (this.#at === this.#piece.length) {
      if (this.#isEnded) return undefined;
      const next = await this.#source.next();
      if (next.done === true) {
        this.#isEnded = true;
        return undefined;
      }
      this.#piece = next.value;
      this.#at = 0;
    }
    const end = Math.min(this.#piece.length, this.#at + maxBytes);
    const bytes = this.#piece.subarray(this.#at, end);
    this.takenBytes += end - this.#at;
    this.#at = end;
    return bytes;
  }

  /** The next `sizeBytes` bytes, or fewer at the end. What they are copied to is the caller's. */
  async exactly(sizeBytes: number): Promise<Buffer> {
    const whole = Buffer.allocUnsafe(sizeBytes);
    let filled = 0;
    while (filled < sizeBytes) {
      const bytes = await this.some(sizeBytes - filled);
      if (bytes === undefined) return whole.subarray(0, filled);
      whole.set(bytes, filled);
      filled += bytes.length;
    }
    return whole;
  }

  /** @returns how many bytes were there to skip */
  async skip(sizeBytes: number): Promise<number> {
    let skipped = 0;
    while (skipped < sizeBytes) {
      const bytes = await this.some(sizeBytes - skipped);
      if (bytes === undefined) break;
      skipped += bytes.length;
    }
    return skipped;
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    this.#isEnded = true;
    this.#at = this.#piece.length;
    await this.#source.return?.();
  }
}
