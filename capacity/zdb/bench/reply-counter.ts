const dollar = 36;
const minus = 45;
const carriageReturn = 13;
const zero = 48;

/** Counts replies of a RESP2 stream without keeping them: lines and bulk strings, no arrays. */
export class ReplyCounter {
  replies = 0;
  /** Bulk strings that are nil. */
  nils = 0;
  /** What the first error said. */
  error: string | undefined;

  /** Bytes of a bulk string, or of the end of a line, that are still to come. */
  #skip = 0;
  /** First byte of the line in progress; 0: between two replies. */
  #type = 0;
  #length = 0;
  #isNegative = false;

  push(bytes: Buffer, end: number): void {
    let at = 0;
    while (at < end) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, end - at);
        this.#skip -= step;
        at += step;
      } else {
        at = this.#line(bytes, at, end);
      }
    }
  }

  #line(bytes: Buffer, from: number, end: number): number {
    let at = from;
    if (this.#type === 0) {
      this.#type = bytes[at++] ?? 0;
      this.#length = 0;
      this.#isNegative = false;
      if (this.#type === minus) this.error ??= bytes.toString('latin1', at, Math.min(end, at + 80));
    }
    for (; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === carriageReturn) {
        this.#ended();
        return at + 1;
      }
      if (byte === minus) this.#isNegative = true;
      else this.#length = this.#length * 10 + byte - zero;
    }
    return at;
  }

  #ended(): void {
    const isBulk = this.#type === dollar;
    if (isBulk && this.#isNegative) this.nils++;
    // The line feed, then the string and its own line end.
    this.#skip = isBulk && !this.#isNegative ? this.#length + 3 : 1;
    this.#type = 0;
    this.replies++;
  }
}
