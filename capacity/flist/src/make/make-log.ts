import { shownText } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';

/** Something that an image does not have although its source did. */
export interface MakeNote {
  readonly what: 'attribute-left-out' | 'socket-left-out';
  /** For people. */
  readonly path: string;
  /** Of an attribute: its name. */
  readonly name?: string;
}

/** What came in, and what was left out of it. */
export interface MakeReport {
  readonly notes: readonly MakeNote[];
  /** Notes beyond those that are listed. */
  readonly furtherNotes: number;
  /** Bytes of the content of all files, those of lower layers that are hidden now included. */
  readonly contentBytes: number;
  /** Chunks that were given to the sink. */
  readonly chunks: number;
}

/** Notes of one image that are listed; more are counted. */
const notesMax = 1_000;

/** Collects the notes of one image. */
export class MakeLog {
  readonly #notes: MakeNote[] = [];
  #furtherNotes = 0;

  leftOutXattr(path: ByteText, name: ByteText): void {
    this.#add({ what: 'attribute-left-out', path: shownText(path), name: shownText(name) });
  }

  leftOutSocket(path: ByteText): void {
    this.#add({ what: 'socket-left-out', path: shownText(path) });
  }

  report(written: { readonly contentBytes: number; readonly chunks: number }): MakeReport {
    const { contentBytes, chunks } = written;
    return { notes: [...this.#notes], furtherNotes: this.#furtherNotes, contentBytes, chunks };
  }

  #add(note: MakeNote): void {
    if (this.#notes.length < notesMax) this.#notes.push(note);
    else this.#furtherNotes++;
  }
}
