import { fromBase64 } from './base64.ts';
import { hashBytes } from './merkle.ts';
import { invalidNote } from './signed-note.ts';

/** The text of a note that says how far a log has come (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Which log: `checkpointOrigin`. */
  readonly origin: string;
  readonly size: number;
  /** Merkle root over that many leaves, 32 bytes. */
  readonly root: Uint8Array;
  /** Further lines, which mean nothing here. */
  readonly extensions: readonly string[];
}

/** First line of the checkpoints of a log, and the name of its key in them. */
export function checkpointOrigin(log: string): string {
  return `commongrid/bcdb/${log}`;
}

export function checkpointText({ origin, size, root, extensions }: Checkpoint): string {
  return [origin, String(size), root.toBase64(), ...extensions, ''].join('\n');
}

/** @throws BCDB_NOTE_INVALID */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', sizeText = '', rootText = '', ...rest] = text.split('\n');
  const root = fromBase64(rootText);
  const size = /^(?:0|[1-9]\d{0,15})$/.test(sizeText) ? Number(sizeText) : Number.NaN;
  const extensions = rest.slice(0, -1);
  const isWhole = origin !== '' && rest.at(-1) === '' && !extensions.includes('');
  if (!isWhole || root?.length !== hashBytes || !Number.isSafeInteger(size)) {
    throw invalidNote('its text is no checkpoint');
  }
  return { origin, size, root, extensions };
}
