import { Mutex } from '@commongrid/base';

import { readPiece } from './log-files.ts';
import type { LogFiles } from './log-files.ts';
import { LogAssembler } from './log-line.ts';
import type { LogLine } from './log-line.ts';

/** A place between two records of a log. */
export interface LogPosition {
  /** Number of the file; 0 is before all of them. */
  readonly file: number;
  readonly offset: number;
}

/** The beginning of whatever is kept. */
export const logStart: LogPosition = { file: 0, offset: 0 };

/** Read at a time; longer than any record that conmon writes. */
const pieceBytes = 64 * 1024;

/** Reads a log on, from file to file. */
export class LogCursor {
  readonly #files: LogFiles;
  #assembler = new LogAssembler();
  #file: number;
  #offset: number;
  /** Of lines that were removed before they were read. */
  #missedLines = 0;
  /** Up to this file all that was not read is counted as missed. */
  #lostUpTo = 0;
  readonly #mutex = new Mutex();

  constructor(files: LogFiles, { file, offset }: LogPosition) {
    this.#files = files;
    this.#file = file;
    this.#offset = offset;
  }

  /** Behind all that was read. */
  get position(): LogPosition {
    return { file: this.#file, offset: this.#offset };
  }

  /**
   * The next lines; none when a piece ended no line, undefined at the end. Lines that are no longer
   * there are one line of the node, which says how many.
   */
  async next(): Promise<readonly LogLine[] | undefined> {
    for (;;) {
      const files = await this.#files.look();
      const [oldest] = files;
      const last = files.at(-1);
      if (oldest === undefined || last === undefined) return undefined;
      // A larger number is of a log that is no more.
      if (this.#file < oldest.number || this.#file > last.number) {
        const lines = this.#skipTo(oldest.number);
        if (lines.length > 0) return lines;
      }
      const lines = await this.#mutex.run(() => this.#read(last.number));
      if (lines === 'end') return undefined;
      if (lines === 'gone') await this.#files.lookAgain();
      else if (lines !== 'again') return lines;
    }
  }

  /** Counts what goes with a file that is about to be removed and was not read to its end. */
  willLose(number: number): Promise<void> {
    return this.#mutex.run(() => this.#countLost(number));
  }

  async #read(last: number): Promise<readonly LogLine[] | 'again' | 'gone' | 'end'> {
    // It is being removed: the next look shows which is the oldest.
    if (this.#file <= this.#lostUpTo) return 'again';
    const piece = await readPiece(this.#files.pathOf(this.#file), this.#offset, pieceBytes);
    if (piece === undefined) return 'gone';
    const lines: LogLine[] = [];
    if (this.#take(piece, this.#file < last, lines) > 0) return lines;
    if (this.#file === last) return 'end';
    this.#moveTo(this.#file + 1);
    return 'again';
  }

  async #countLost(number: number): Promise<void> {
    if (this.#file === 0 || this.#file > number) return;
    this.#lostUpTo = number;
    const counter = new LogAssembler();
    let offset = this.#file === number ? this.#offset : 0;
    for (;;) {
      const piece = await readPiece(this.#files.pathOf(number), offset, pieceBytes);
      const lines: LogLine[] = [];
      const took = piece === undefined ? 0 : counter.take(piece, lines);
      if (took === 0) return;
      offset += took;
      this.#missedLines += lines.length;
    }
  }

  #take(piece: Buffer, isComplete: boolean, lines: LogLine[]): number {
    const took = this.#assembler.take(piece, lines);
    const rest = piece.length - took;
    // In a file that nobody writes any more, or where no record is so long, it has no end.
    const isTorn = rest > 0 && took === 0 && (isComplete || rest === pieceBytes);
    if (isTorn) this.#assembler.takeTorn(piece, lines);
    const used = isTorn ? piece.length : took;
    this.#offset += used;
    return used;
  }

  #skipTo(number: number): readonly LogLine[] {
    const isFirst = this.#file === 0;
    this.#moveTo(number);
    this.#assembler = new LogAssembler();
    const missed = this.#missedLines;
    this.#missedLines = 0;
    if (isFirst) return [];
    const text = missed === 0 ? 'lines were dropped' : `lines that were dropped: ${missed}`;
    return [{ atMs: Date.now(), stream: 'node', text }];
  }

  #moveTo(file: number): void {
    this.#file = file;
    this.#offset = 0;
  }
}
