import { GridError } from '@commongrid/base/browser';
import type { BcdbErrorCode } from '../errors.ts';

/** What only the one who verifies may say of a log, or the log's server could halt whoever asks. */
const verdicts: ReadonlySet<string> = new Set<BcdbErrorCode>([
  'BCDB_FEEDS_DIFFER',
  'BCDB_HANDED_OVER',
  'BCDB_LOG_FORKED',
  'BCDB_LOG_ROLLED_BACK',
  'BCDB_STATE_DIFFERS',
]);

/** What a server says of records that it is given, and never of those that it is asked for. */
const verdictsOnGiven: ReadonlySet<string> = new Set<BcdbErrorCode>([
  'BCDB_ENVELOPE_INVALID',
  'BCDB_SIGNATURE_INVALID',
  'BCDB_VALIDATOR_UNKNOWN',
]);

/**
 * An error as it came over the wire; undefined when it is none.
 * @param isAnswer whether it answers a question, to which nothing was given
 */
export function readError(value: unknown, isAnswer = false): GridError | undefined {
  const { schema, code, message, hint, retryable, details } = membersOf(value);
  if (schema !== 'grid.error.1' || typeof code !== 'string') return undefined;
  const isVerdict = verdicts.has(code) || (isAnswer && verdictsOnGiven.has(code));
  if (isVerdict) return replyInvalid(`the server says ${code}, which is not its to say`);
  return new GridError(code, typeof message === 'string' ? message : code, {
    hint: typeof hint === 'string' ? hint : undefined,
    retryable: retryable === true,
    details: membersOf(details),
  });
}

export function replyInvalid(message: string, cause?: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_REPLY_INVALID', message, {
    hint: 'is this the address of a BCDB?',
    cause,
  });
}

/** Whatever a request failed with, as an error of this package. */
export function toGridError(error: unknown, signal: AbortSignal | undefined): GridError {
  if (error instanceof GridError) return error;
  if (signal?.aborted === true) {
    return new GridError('BASE_ABORTED', 'stopped before it was done', { cause: signal.reason });
  }
  return unreachable(error);
}

/** Nobody answered, or somebody else in place of the server. */
export function unreachable(cause: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_UNREACHABLE', 'the server does not answer', {
    hint: 'see whether it runs and the address is right',
    retryable: true,
    cause,
  });
}

/** JSON that may be none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
