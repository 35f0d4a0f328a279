/** Reply bytes of all connections that the kernel has not taken. */
export class UnsentTotal {
  readonly limitBytes: number;
  bytes = 0;
  readonly #waiting = new Set<Resumable>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get isOver(): boolean {
    return this.bytes > this.limitBytes;
  }

  /**
   * Whether `connection` may have one more request handled. Above the limit only those may that
   * owe nothing, above twice the limit none; who may not is resumed when the total has fallen.
   */
  admits(connection: Resumable, hasUnsent: boolean): boolean {
    const limit = hasUnsent ? this.limitBytes : 2 * this.limitBytes;
    if (this.bytes <= limit) return true;
    this.#waiting.add(connection);
    return false;
  }

  add(change: number): void {
    this.bytes += change;
    if (change > 0 || this.#waiting.size === 0) return;
    for (const connection of this.#waiting) {
      if (this.isOver) return;
      this.#waiting.delete(connection);
      connection.resume();
    }
  }

  forget(connection: Resumable): void {
    this.#waiting.delete(connection);
  }
}

interface Resumable {
  resume(): void;
}
