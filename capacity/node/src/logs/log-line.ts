import { StringDecoder } from 'node:string_decoder';

/** One line that a container printed. */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** `node`: what the node has to say about the lines themselves. */
  readonly stream: 'stdout' | 'stderr' | 'node';
  readonly text: string;
}

/** A longer line comes in pieces of this length, so that nothing has to hold a line of 1 GiB. */
export const lineCharactersMax = 64 * 1024;

const newline = 10;
const space = 32;
/** `2026-11-21T22:26:27.123456789+00:00`, and room for a year of five digits. */
const stampBytesMax = 40;

type Stream = 'stdout' | 'stderr';

/**
 * Makes lines of what conmon writes as `k8s-file`: records `TIME STREAM TAG CONTENT`, one a line, where
 * the tag is `P` for a piece that the next record of that stream goes on with, and `F` for the end of
 * a line. What is no such record, because a write was torn, is shown as it is: somebody printed it.
 */
export class LogAssembler {
  readonly #pieces = new Map<Stream, Piece>();
  #stampText = '';
  #atMs = 0;

  /** Takes the whole records at the beginning of `bytes`; answers how many bytes these are. */
  take(bytes: Buffer, lines: LogLine[]): number {
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(newline, start);
      if (end === -1) return start;
      this.#record(bytes.subarray(start, end), lines);
      start = end + 1;
    }
  }

  /** Takes what nothing follows though its record has no end. */
  takeTorn(bytes: Buffer, lines: LogLine[]): void {
    this.#record(bytes, lines);
  }

  #record(record: Buffer, lines: LogLine[]): void {
    const stampEnd = record.indexOf(space);
    const stream = streamAt(record, stampEnd + 1);
    const tag = record[stampEnd + streamEnd];
    const isPart = tag === 0x50;
    if (stream === undefined || (!isPart && tag !== 0x46) || !this.#stamp(record, stampEnd)) {
      lines.push({ atMs: this.#atMs, stream: 'stdout', text: record.toString('utf8') });
      return;
    }
    const piece = this.#pieces.get(stream) ?? new Piece();
    this.#pieces.set(stream, piece);
    piece.add(record.subarray(stampEnd + streamEnd + 2));
    if (isPart && piece.length < lineCharactersMax) return;
    lines.push({ atMs: this.#atMs, stream, text: piece.take(!isPart) });
  }

  #stamp(record: Buffer, end: number): boolean {
    if (end < 1 || end > stampBytesMax) return false;
    const text = record.toString('latin1', 0, end);
    // Lines that were printed together have one time: most are read once.
    if (text === this.#stampText) return true;
    const atMs = Date.parse(text);
    if (!(atMs >= 0)) return false;
    this.#stampText = text;
    this.#atMs = atMs;
    return true;
  }
}

/** From the space before the name of a stream to the tag behind it; both names have six letters. */
const streamEnd = 8;

function streamAt(record: Buffer, start: number): Stream | undefined {
  if (record[start + 6] !== space) return undefined;
  const name = record.toString('latin1', start, start + 6);
  return name === 'stdout' || name === 'stderr' ? name : undefined;
}

/** A line whose end did not come yet. A character may be cut in two by its records. */
class Piece {
  readonly #decoder = new StringDecoder('utf8');
  #text = '';

  get length(): number {
    return this.#text.length;
  }

  add(bytes: Buffer): void {
    this.#text += this.#decoder.write(bytes);
  }

  take(isEnd: boolean): string {
    const text = isEnd ? this.#text + this.#decoder.end() : this.#text;
    this.#text = '';
    return text;
  }
}
