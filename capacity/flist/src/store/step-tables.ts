import { tablesMax } from './split-form.ts';
import type { StepTable } from './split-form.ts';

/** Words of an entry: of an index of unwinding, of relocations. */
const strides = [2, 6] as const;

/** Entries that are looked at together. */
const blockEntries = 32;
/** Blocks of a table at least. */
const blocksMin = 2;
/** Of the words of a block, those that have to be small steps, and large without being steps. */
const smallShareMin = 0.8;
const largeShareMin = 0.15;
const smallLimit = 2 ** 15;

/** The bytes with the words of tables that grow steadily as steps, and where those tables are. */
export function takeSteps(plaintext: Uint8Array): { bytes: Buffer; tables: StepTable[] } {
  const bytes = Buffer.from(plaintext);
  const words = wordsOf(bytes);
  const tables: StepTable[] = [];
  for (const stride of strides) tables.push(...findTables(words, stride, tables));
  tables.length = Math.min(tables.length, tablesMax);
  for (const { first, words: count, stride } of tables) {
    for (let at = first; at < first + count; at++) {
      bytes.writeInt32LE(stepTo(words, at, stride), at * 4);
    }
  }
  return { bytes, tables };
}

/** Makes the words of tables out of their steps. The tables have to lie within the words. */
export function addSteps(words: Int32Array, tables: readonly StepTable[]): void {
  for (const { first, words: count, stride } of tables) {
    for (let at = first; at < first + count; at++) {
      words[at] = (words[at] ?? 0) + (words[at - stride] ?? 0);
    }
  }
}

function findTables(
  words: Int32Array,
  stride: number,
  others: readonly StepTable[],
): readonly StepTable[] {
  const blockWords = stride * blockEntries;
  const found: { first: number; words: number; stride: number }[] = [];
  for (let first = stride; first + blockWords <= words.length; first += blockWords) {
    const isTaken = others.some(
      (other) => first < other.first + other.words && first + blockWords > other.first - stride,
    );
    if (isTaken || !isSteady(words, first, stride)) continue;
    const last = found.at(-1);
    if (last !== undefined && last.first + last.words === first) last.words += blockWords;
    else found.push({ first, words: blockWords, stride });
  }
  return found.filter((table) => table.words >= blocksMin * blockWords);
}

function isSteady(words: Int32Array, first: number, stride: number): boolean {
  const count = stride * blockEntries;
  let [small, large] = [0, 0];
  for (let at = first; at < first + count; at++) {
    if (isSmall(stepTo(words, at, stride))) small++;
    if (!isSmall(words[at] ?? 0)) large++;
  }
  return small >= count * smallShareMin && large >= count * largeShareMin;
}

function isSmall(number: number): boolean {
  return number >= -smallLimit && number < smallLimit;
}

function stepTo(words: Int32Array, at: number, stride: number): number {
  return ((words[at] ?? 0) - (words[at - stride] ?? 0)) | 0;
}

function wordsOf(bytes: Buffer): Int32Array {
  const words = new Int32Array(Math.floor(bytes.length / 4));
  for (let at = 0; at < words.length; at++) words[at] = bytes.readInt32LE(at * 4);
  return words;
}
