/** Something in a folder that is not as it should be, or that is worth knowing. */
export interface Finding {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  readonly what: FindingKind;
  /** False for what an interrupted write leaves behind: nothing acknowledged is affected. */
  readonly isDamage: boolean;
  readonly text: string;
  readonly sequence?: number;
  readonly namespace?: string;
  /** As text, or as 0x and hex digits when it is none. */
  readonly key?: string;
  readonly hint?: string;
}

export type FindingKind =
  | 'manifest-missing'
  | 'manifest-damaged'
  | 'segment-missing'
  | 'bad-header' // of a segment
  | 'bad-record' // a record whose bytes are not what its checksum says
  | 'bad-bytes' // bytes between sound records, or that nobody can tell what they were
  | 'bad-order' // sequences, sizes or counts contradict the manifest
  | 'torn-tail' // the end of the log, never acknowledged: a start moves it aside
  | 'index-missing'
  | 'index-damaged'
  | 'index-different'
  | 'checkpoint-damaged'
  | 'checkpoint-different'
  | 'quarantined' // found by an earlier start, neither repaired nor accepted
  | 'left-over'; // a file that nothing names: a start removes it

/** A key for people: itself where it is printable ASCII. */
export function keyText(key: Buffer): string {
  const text = key.toString('latin1');
  return /^[\x21-\x7e][\x20-\x7e]*$/.test(text) && !text.startsWith('0x')
    ? text
    : `0x${key.toString('hex')}`;
}
