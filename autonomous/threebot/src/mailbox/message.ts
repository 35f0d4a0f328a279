import { GridError, isGridError } from '@commongrid/base';
import {
  canonicalBytes,
  openBox,
  parseCanonical,
  PublicKey,
  sealBox,
  SealingPublicKey,
} from '@commongrid/crypto';
import type { Domain, SealingKey, SigningKey } from '@commongrid/crypto';
import { idPatterns } from '@commongrid/model';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { BotErrorCode } from '../errors.ts';

/** What the signature of a message is for. */
const messageDomain: Domain = 'commongrid/bot-message/1';

/** What its box is for; log and receiver follow. */
const boxInfo = 'commongrid/bot-box/1';

const closed = { additionalProperties: false } as const;

const messageShape = Type.Object(
  {
    log: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
    to: Type.String({ pattern: `^${idPatterns.bot}$` }),
    from: Type.String({ pattern: `^${idPatterns.bot}$` }),
    id: Type.String({ pattern: '^[A-Za-z0-9_-]{22}$' }),
    expMs: Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000 }),
    kind: Type.String({ pattern: '^[a-z][a-zA-Z0-9]{0,31}\\.[a-z][a-zA-Z0-9]{0,31}$' }),
    body: Type.Unknown(),
  },
  closed,
);

/** What one bot has to say to another; `docs/formats/bot-message.md`. */
export type Message = Static<typeof messageShape>;

const signedShape = Type.Object(
  {
    message: messageShape,
    /** Key of the sender. */
    key: Type.String({ pattern: `^${idPatterns.key}$` }),
    signature: Type.String({ pattern: '^[A-Za-z0-9_-]{86}$' }),
  },
  closed,
);
const signedCheck = Compile(signedShape);
const messageCheck = Compile(messageShape);

export interface OpenedMessage {
  readonly message: Message;
  /** Key that signed it; whether it is the sender's is for the phonebook. */
  readonly key: string;
}

/** Where a box belongs: it opens for this receiver in this log only. */
export interface BoxPlace {
  readonly log: string;
  readonly to: string;
}

/**
 * Signs a message and seals it. A relay sees how long it is, and nothing else.
 * @throws BOT_TOO_LARGE, CRYPTO_JSON_UNSUPPORTED
 */
export async function sealMessage(
  message: Message,
  key: SigningKey,
  { receiver, bytesMax }: { readonly receiver: string; readonly bytesMax: number },
): Promise<Uint8Array> {
  const bytes = messageBytes(message, bytesMax);
  const signature = Buffer.from(key.sign(messageDomain, bytes)).toString('base64url');
  const signed = { message, key: key.publicKey.text, signature };
  return sealBox(SealingPublicKey.fromText(receiver), canonicalBytes(signed), {
    info: infoOf(message),
  });
}

/**
 * That something can be sent as a message.
 * @throws BOT_MESSAGE_INVALID, BOT_TOO_LARGE, CRYPTO_JSON_UNSUPPORTED
 */
export function requireMessage(message: Message, bytesMax: number): void {
  messageBytes(message, bytesMax);
  if (!messageCheck.Check(message)) throw invalid('it has not the form of one');
}

/** The bytes that are signed. @throws BOT_TOO_LARGE, CRYPTO_JSON_UNSUPPORTED */
function messageBytes(message: Message, bytesMax: number): Uint8Array {
  const bytes = canonicalBytes(message);
  if (bytes.length <= bytesMax) return bytes;
  throw new GridError<BotErrorCode>('BOT_TOO_LARGE', `a message has ${bytesMax} bytes at most`, {
    hint: 'send less at a time, or a reference to it',
    details: { sizeBytes: bytes.length, bytesMax },
  });
}

/**
 * Opens a box with one of some keys, and finds a message in it that is signed by the key that it names.
 * @throws BOT_MESSAGE_INVALID, BOT_OTHER_LOG, BOT_SIGNATURE_WRONG, BOT_TOO_LARGE
 */
export async function openMessage(
  box: Uint8Array,
  keys: readonly SealingKey[],
  { log, to, bytesMax }: BoxPlace & { readonly bytesMax: number },
): Promise<OpenedMessage> {
  const { message, key, signature } = readSigned(await openWith(box, keys, { log, to }));
  if (message.log !== log) {
    throw new GridError<BotErrorCode>('BOT_OTHER_LOG', 'the message is of another log', {
      details: { log: message.log },
    });
  }
  if (message.to !== to) throw invalid('it is for another bot');
  const bytes = messageBytes(message, bytesMax);
  if (!isSigned(key, bytes, Buffer.from(signature, 'base64url'))) {
    throw new GridError<BotErrorCode>('BOT_SIGNATURE_WRONG', 'the key named did not sign this', {
      details: { key },
    });
  }
  return { message, key };
}

function isSigned(key: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    return PublicKey.fromText(key).verify(messageDomain, bytes, signature);
  } catch (error) {
    if (isGridError(error, 'CRYPTO_KEY_INVALID')) return false;
    throw error;
  }
}

async function openWith(
  box: Uint8Array,
  keys: readonly SealingKey[],
  place: BoxPlace,
): Promise<Uint8Array> {
  for (const key of keys) {
    try {
      return await openBox(key, box, { info: infoOf(place) });
    } catch (error) {
      // Sealed to a former key, perhaps.
      if (!isGridError(error)) throw error;
    }
  }
  throw invalid('its box does not open: it is for another key, bot or log, or was changed');
}

function readSigned(bytes: Uint8Array): Static<typeof signedShape> {
  let value: unknown;
  try {
    value = parseCanonical(bytes);
  } catch (error) {
    if (!isGridError(error)) throw error;
    throw invalid('it is no canonical JSON', error);
  }
  if (!signedCheck.Check(value)) throw invalid('it has not the form of one');
  return value;
}

function infoOf({ log, to }: BoxPlace): Uint8Array {
  return new TextEncoder().encode(`${boxInfo}\0${log}/${to}`);
}

function invalid(why: string, cause?: unknown): GridError<BotErrorCode> {
  return new GridError('BOT_MESSAGE_INVALID', `the message cannot be taken: ${why}`, {
    hint: 'seal it to the key that the record of the receiver lists now',
    cause,
  });
}
