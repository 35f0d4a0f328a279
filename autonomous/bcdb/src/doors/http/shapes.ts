import type { JsonValue } from '@commongrid/crypto';
import { Type } from 'typebox';
import { bodyTextMax, leafTextMax } from '../record-text.ts';
import { nameLengths } from '../../record/envelope.ts';
import type { HandoverCertificate } from '../../record/handover.ts';

/** Shapes that several routes share. Hashes and bytes are base64url without padding. */

export const hash = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });
export const keyText = Type.String({ pattern: '^ed25519:[A-Za-z0-9_-]{43}$' });
export const sequence = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Milliseconds since 1970. */
export const time = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const json = Type.Unsafe<JsonValue>({});

export const nsName = Type.String({ minLength: 1, maxLength: nameLengths.ns });
export const typeUrl = Type.String({ minLength: 3, maxLength: nameLengths.url });
export const objectId = Type.String({ minLength: 1, maxLength: nameLengths.obj });

export const nsParams = Type.Object({ ns: nsName });
export const typeParams = Type.Object({ ns: nsName, url: typeUrl });
export const objectParams = Type.Object({ ns: nsName, url: typeUrl, id: objectId });

/** Read your writes: the answer counts everything up to this record. */
export const minSeq = Type.Optional(sequence);

export const head = Type.Object({ size: sequence, root: hash });

export const receipt = Type.Object({ seq: sequence, version: hash, head });

export const ownerReceipt = Type.Object({
  seq: sequence,
  version: hash,
  head,
  wasLive: Type.Boolean(),
});

export const errorReply = Type.Object({
  schema: Type.Literal('grid.error.1'),
  code: Type.String(),
  message: Type.String(),
  hint: Type.Optional(Type.String()),
  retryable: Type.Boolean(),
  details: Type.Unsafe<Readonly<Record<string, unknown>>>({
    type: 'object',
    additionalProperties: true,
  }),
});

/** A record as it is sent: envelope and signature, salt and payload. */
export const entryText = Type.Object(
  {
    leaf: Type.String({ maxLength: leafTextMax }),
    body: Type.Optional(Type.String({ maxLength: bodyTextMax })),
  },
  { additionalProperties: false },
);

export const successionReply = Type.Object({
  schema: Type.Literal('grid.bcdb.succession.1'),
  /** Canonical text of the genesis, which hashes to the log. */
  genesis: Type.String(),
  /** Certificates, in the order of the log. */
  handovers: Type.Array(
    Type.Unsafe<HandoverCertificate>({ type: 'object', additionalProperties: true }),
  ),
});

export const proofReply = Type.Object({
  schema: Type.Literal('grid.bcdb.proof.1'),
  log: hash,
  checkpoint: Type.String(),
  seq: sequence,
  leaf: Type.String(),
  body: Type.Optional(Type.String()),
  path: Type.Array(hash),
  succession: Type.Optional(successionReply),
});
