import { hash } from 'node:crypto';
import type { SigningKey } from '@commongrid/crypto';
import type { LogHead } from '../log/log-engine.ts';
import { checkpointOrigin, checkpointText } from './checkpoint.ts';
import { cosignatureMessage, encodeCosignature } from './cosignature.ts';
import { formatNote, noteKey, noteTypes } from './signed-note.ts';
import type { NoteKey, NoteSignature } from './signed-note.ts';

/**
 * Signs the heads of one log as C2SP notes. It signs what it is given: whoever holds it must never
 * give it a head below, or beside, one that was signed before.
 */
export class CheckpointSigner {
  readonly #key: SigningKey;
  readonly #origin: string;
  readonly #plain: NoteKey;
  readonly #timed: NoteKey;

  /** @param log hash of the genesis, base64url */
  constructor(key: SigningKey, log: string) {
    this.#key = key;
    this.#origin = checkpointOrigin(log);
    this.#plain = this.#keyOf(noteTypes.plain);
    this.#timed = this.#keyOf(noteTypes.cosignature);
  }

  /** A note over a head, to be given out once the head is durable. */
  sign(head: LogHead): string {
    const text = this.#text(head);
    return formatNote({ text, signatures: [this.#signPlain(text)] });
  }

  /**
   * The same, and below it the statement that this head is the newest at a time.
   * @param timestamp seconds since 1970
   */
  signAt(head: LogHead, timestamp: number): string {
    const text = this.#text(head);
    const signature = this.#key.signForeign(cosignatureMessage(timestamp, text));
    const timed = signatureLine(this.#timed, encodeCosignature(timestamp, signature));
    return formatNote({ text, signatures: [this.#signPlain(text), timed] });
  }

  #text({ size, root }: LogHead): string {
    return checkpointText({ origin: this.#origin, size, root, extensions: [] });
  }

  #signPlain(text: string): NoteSignature {
    return signatureLine(this.#plain, this.#key.signForeign(new TextEncoder().encode(text)));
  }

  #keyOf(type: number): NoteKey {
    const publicKey = this.#key.publicKey.bytes;
    const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
    return noteKey(sha256, { name: this.#origin, type, publicKey });
  }
}

function signatureLine({ name, keyId }: NoteKey, signature: Uint8Array): NoteSignature {
  return { name, keyId, signature };
}
