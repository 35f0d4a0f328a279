import { GridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';
import { fromBase64 } from './base64.ts';
import type { Sha256 } from './merkle.ts';

/** Signature types of C2SP signed-note that this program makes and checks, both Ed25519. */
export const noteTypes = {
  /** Over the text of the note. */
  plain: 0x01,
  /** Over the text and a time: tlog-cosignature. */
  cosignature: 0x04,
} as const;

/** One line below the text of a note. */
export interface NoteSignature {
  /** Who signed, as the line says. */
  readonly name: string;
  /** First four bytes of a hash of name, type and key; big-endian. Tells keys apart, proves nothing. */
  readonly keyId: number;
  /** What the type makes of it; for a plain signature, its 64 bytes. */
  readonly signature: Uint8Array;
}

/** A text and signatures over it (C2SP signed-note). The text is nothing until one was verified. */
export interface SignedNote {
  /** Ends with a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** A key under a name and for one type of signature. */
export interface NoteKey {
  readonly name: string;
  readonly type: number;
  readonly keyId: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Longest note, characters: room for 16 signatures of the largest kind. */
export const noteLengthMax = 128 * 1024;

/** Most signatures of a note; the specification asks for 16 at least. */
export const noteSignaturesMax = 64;

/** Longest name of a key, characters. */
const noteNameLengthMax = 255;

/**
 * Reads a note, in the one form that the specification knows.
 * @throws BCDB_NOTE_INVALID
 */
export function parseNote(note: string): SignedNote {
  if (note.length > noteLengthMax) throw invalidNote('it is too long');
  if (!note.isWellFormed() || controlCharacter.test(note)) {
    throw invalidNote('it holds characters that a note cannot have');
  }
  const split = note.lastIndexOf('\n\n');
  if (split <= 0 || !note.endsWith('\n')) throw invalidNote('text and signatures are not apart');
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > noteSignaturesMax) throw invalidNote('it has too many signatures');
  return { text: note.slice(0, split + 1), signatures: lines.map(parseLine) };
}

/** The counterpart of `parseNote`. @throws BCDB_NOTE_INVALID */
export function formatNote({ text, signatures }: SignedNote): string {
  const lines = signatures.map(({ name, keyId, signature }) => {
    const bytes = new Uint8Array(4 + signature.length);
    new DataView(bytes.buffer).setUint32(0, keyId);
    bytes.set(signature, 4);
    return `— ${name} ${bytes.toBase64()}\n`;
  });
  const note = `${text}\n${lines.join('')}`;
  parseNote(note);
  return note;
}

/** Names a key for notes. @throws BCDB_NOTE_INVALID when the name cannot stand in a note */
export function noteKey(
  sha256: Sha256,
  { name, type, publicKey }: Omit<NoteKey, 'keyId'>,
): NoteKey {
  if (!isName(name)) throw invalidNote(`${JSON.stringify(name)} is no name of a key`);
  const prefix = utf8.encode(`${name}\n`);
  const bytes = new Uint8Array(prefix.length + 1 + publicKey.length);
  bytes.set(prefix);
  bytes[prefix.length] = type;
  bytes.set(publicKey, prefix.length + 1);
  const digest = sha256(bytes);
  const keyId = new DataView(digest.buffer, digest.byteOffset).getUint32(0);
  return { name, type, keyId, publicKey };
}

/** `<name>+<key id>+<type and key>`: how verifiers of notes are told a key (a vkey). */
export function verifierKeyText({ name, type, keyId, publicKey }: NoteKey): string {
  const bytes = new Uint8Array(1 + publicKey.length);
  bytes[0] = type;
  bytes.set(publicKey, 1);
  return `${name}+${keyId.toString(16).padStart(8, '0')}+${bytes.toBase64()}`;
}

/** The counterpart of `verifierKeyText`, for Ed25519. @throws BCDB_NOTE_INVALID */
export function parseVerifierKey(sha256: Sha256, text: string): NoteKey {
  const { name = '', encoded = '' } = verifierKey.exec(text)?.groups ?? {};
  const bytes = fromBase64(encoded);
  const [type] = bytes ?? [];
  if (bytes?.length !== 33 || type === undefined) throw invalidNote('this is no verifier key');
  const key = noteKey(sha256, { name, type, publicKey: bytes.subarray(1) });
  if (verifierKeyText(key) !== text) throw invalidNote('this is no verifier key');
  return key;
}

/** The signatures that claim to be by a key; others may share its name or its id, not both. */
export function signaturesBy({ signatures }: SignedNote, key: NoteKey): NoteSignature[] {
  return signatures.filter(({ name, keyId }) => name === key.name && keyId === key.keyId);
}

export function invalidNote(reason: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_NOTE_INVALID', `this is no signed note: ${reason}`);
}

const utf8 = new TextEncoder();

// Below U+0020, without the newline.
// oxlint-disable-next-line no-control-regex
const controlCharacter = /[\0-\x09\x0b-\x1f]/;

const verifierKey = /^(?<name>[^+]+)\+[0-9a-f]{8}\+(?<encoded>.+)$/;

function parseLine(line: string): NoteSignature {
  const [dash, name = '', encoded = '', ...rest] = line.split(' ');
  const bytes = fromBase64(encoded);
  if (dash !== '—' || !isName(name) || bytes === undefined || bytes.length < 5 || rest.length > 0) {
    throw invalidNote('a line below the text is no signature');
  }
  const keyId = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return { name, keyId, signature: bytes.subarray(4) };
}

function isName(name: string): boolean {
  return /^[^\p{White_Space}+]+$/u.test(name) && name.length <= noteNameLengthMax;
}
