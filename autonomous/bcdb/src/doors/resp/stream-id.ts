import { ReplyError } from './reply-error.ts';

/** Ids of a stream are `SEQ-0`: each sequence of the log holds one record. */
export function streamId(seq: number): string {
  return `${seq}-0`;
}

/** First sequence of a range that begins at such an id; `-` is the beginning, `(` leaves it out. */
export function rangeStart(text: string): number {
  if (text === '-') return 0;
  if (text === '+') return Number.MAX_SAFE_INTEGER;
  const { seq, part, isExclusive } = parse(text);
  return isExclusive || (part ?? 0) > 0 ? seq + 1 : seq;
}

/** The sequence after the last one of a range that ends at such an id; `+` is the end. */
export function rangeEnd(text: string): number {
  if (text === '+') return Number.MAX_SAFE_INTEGER;
  if (text === '-') return 0;
  const { seq, part, isExclusive } = parse(text);
  return isExclusive && part === 0 ? seq : seq + 1;
}

/** First sequence after such an id. */
export function sequenceAfter(text: string): number {
  const { seq, isExclusive } = parse(text);
  if (isExclusive) throw invalid();
  return seq + 1;
}

function parse(text: string): {
  readonly seq: number;
  readonly part: number | undefined;
  readonly isExclusive: boolean;
} {
  const { open, seq, part } = idPattern.exec(text)?.groups ?? {};
  if (seq === undefined) throw invalid();
  return {
    // What is too long to be exact is past the end of any log.
    seq: Math.min(Number(seq), Number.MAX_SAFE_INTEGER - 1),
    part: part === undefined ? undefined : Number(part),
    isExclusive: open === '(',
  };
}

const idPattern = /^(?<open>\(?)(?<seq>[0-9]{1,20})(?:-(?<part>[0-9]{1,20}))?$/;

function invalid(): ReplyError {
  return new ReplyError('ERR Invalid stream ID specified as stream command argument');
}
