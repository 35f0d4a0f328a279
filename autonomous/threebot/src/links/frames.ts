import { GridError } from '@commongrid/base';
import { idPatterns } from '@commongrid/model';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import type { BotErrorCode } from '../errors.ts';

/** Version of the protocol; the greeting has it. */
export const linkVersion = 1;

const closed = { additionalProperties: false } as const;
const callId = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const errorShape = Type.Object(
  {
    schema: Type.Literal('grid.error.1'),
    code: Type.String({ pattern: '^[A-Z][A-Z0-9_]{0,63}$' }),
    message: Type.String({ maxLength: 10_000 }),
    hint: Type.Optional(Type.String({ maxLength: 10_000 })),
    retryable: Type.Boolean(),
    details: Type.Record(Type.String(), Type.Unknown()),
  },
  closed,
);

const frameShape = Type.Union([
  /** The first of each side: who it is, by which log it lives, and the newest checkpoint it was shown. */
  Type.Object(
    {
      t: Type.Literal('hello'),
      v: Type.Integer(),
      log: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
      bot: Type.String({ pattern: `^${idPatterns.bot}$` }),
      checkpoint: Type.String({ maxLength: 16_384 }),
    },
    closed,
  ),
  /** In place of a greeting: why there is none. The link ends. */
  Type.Object({ t: Type.Literal('refused'), error: errorShape }, closed),
  Type.Object(
    {
      t: Type.Literal('call'),
      id: callId,
      method: Type.String({ maxLength: 80 }),
      input: Type.Unknown(),
    },
    closed,
  ),
  /** The caller does not wait any more. */
  Type.Object({ t: Type.Literal('cancel'), id: callId }, closed),
  Type.Object({ t: Type.Literal('answer'), id: callId, output: Type.Unknown() }, closed),
  Type.Object({ t: Type.Literal('failure'), id: callId, error: errorShape }, closed),
]);

/** One text message of a link: `docs/formats/bot-link.md`. */
export type Frame = Static<typeof frameShape>;
export type Hello = Extract<Frame, { t: 'hello' }>;

const frameCheck = Compile(frameShape);
const errorCheck = Compile(errorShape);

/** @throws BOT_FRAME_INVALID */
export function parseFrame(text: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid('it is no JSON', error);
  }
  if (frameCheck.Check(value)) return value;
  throw invalid('it has not the form of one');
}

/** @throws BOT_TOO_LARGE */
export function frameText(frame: Frame, bytesMax: number): string {
  const text = JSON.stringify(frame);
  if (text.length <= bytesMax && Buffer.byteLength(text) <= bytesMax) return text;
  throw new GridError<BotErrorCode>('BOT_TOO_LARGE', `a frame has ${bytesMax} bytes at most`, {
    hint: 'send less at a time',
    details: { bytesMax },
  });
}

/** An error as it came from the other side; undefined when it is none. */
export function readErrorJson(value: unknown): GridError | undefined {
  if (!errorCheck.Check(value)) return undefined;
  const { code, message, hint, retryable, details } = value;
  return new GridError(code, message, { hint, retryable, details });
}

export function frameInvalid(why: string): GridError<BotErrorCode> {
  return invalid(why);
}

function invalid(why: string, cause?: unknown): GridError<BotErrorCode> {
  return new GridError('BOT_FRAME_INVALID', `what came is no frame: ${why}`, {
    hint: 'is the other side a 3Bot of this version?',
    cause,
  });
}
