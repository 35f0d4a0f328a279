/** A number of bytes that some holders share, first come, first served. */
export class Budget {
  readonly limitBytes: number;
  usedBytes = 0;
  readonly #waiting = new Map<object, { readonly bytes: number; readonly grant: () => void }>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Holders that wait for room. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Reserves at once when there is room and nobody waits; else `grant` is called when the turn of
   * `holder` has come and its bytes are reserved.
   */
  reserve(holder: object, bytes: number, grant: () => void): boolean {
    if (this.#waiting.size === 0 && this.usedBytes + bytes <= this.limitBytes) {
      this.usedBytes += bytes;
      return true;
    }
    this.#waiting.set(holder, { bytes, grant });
    return false;
  }

  /** Gives bytes back, and grants those who waited for them. */
  release(bytes: number): void {
    this.usedBytes -= bytes;
    this.#grant();
  }

  /** `holder` waits no more. */
  cancel(holder: object): void {
    if (this.#waiting.delete(holder)) this.#grant();
  }

  #grant(): void {
    for (const [holder, { bytes, grant }] of this.#waiting) {
      if (this.usedBytes + bytes > this.limitBytes) return;
      this.#waiting.delete(holder);
      this.usedBytes += bytes;
      grant();
    }
  }
}
