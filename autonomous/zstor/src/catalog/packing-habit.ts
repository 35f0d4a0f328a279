/** Records that are left as they are after one that was not worth packing. */
const leftAlone = 31;

/**
 * Whether to try to pack the next record. A try costs as much as the rest of a record, and more later, for
 * its memory is collected: in vain for small bodies, which are encrypted. What comes is like what came.
 */
export class PackingHabit {
  #left = 0;

  /** True for each that is to be tried. */
  next(): boolean {
    if (this.#left === 0) return true;
    this.#left--;
    return false;
  }

  /** Of one that was tried: worth it is a tenth. */
  tried(bytes: number, packedBytes: number): void {
    this.#left = packedBytes > bytes * 0.9 ? leftAlone : 0;
  }
}
