/**
 * Programs pack a tenth smaller when the targets of their calls stand beside their code, as
 * addresses, and tables that grow steadily as steps. See docs/formats/flist-chunks.md.
 */

/** Ahead of the zstd frame of a chunk in the split form: no frame begins so. */
export const splitMagic = Buffer.from('CGX1', 'latin1');

/**
 * Numbers of 4 bytes at the start: the plaintext's length, where in it code begins and ends, the
 * lengths of calls, addresses and jumps, and how many tables there are.
 */
export const splitHeaderBytes = 7 * 4;

/** Of one table: its first word, how many words, and from which word back each is a step. */
export const tableBytes = 3 * 4;

/** Tables of one chunk. */
export const tablesMax = 64;

/** Ahead of the code, which is last: before its first byte stands a zero. */
export const codeLeadBytes = 1;

/** By which the split form may be longer than the plaintext. */
export const splitExtraBytesMax = splitHeaderBytes + tablesMax * tableBytes + codeLeadBytes;

/** Words of 4 bytes from a word of a table to the one in the entry before it, at most. */
export const strideMax = 6;

export interface StepTable {
  /** In words of 4 bytes. */
  readonly first: number;
  readonly words: number;
  readonly stride: number;
}

export function isSplit(packed: Uint8Array): boolean {
  return splitMagic.every((byte, index) => packed[index] === byte);
}
