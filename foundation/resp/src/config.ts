import { GridError } from '@commongrid/base';
import type { RespErrorCode } from './errors.ts';

/** What one request may be. A connection can be given tighter limits than its server. */
export interface RequestLimits {
  /** Elements of one request, the command's name included. Default 1024. */
  readonly maxArguments: number;
  /** Bytes of one argument. Default 8 MiB. */
  readonly maxBulkBytes: number;
  /** Bytes of one whole request, framing included. Default 32 MiB. */
  readonly maxRequestBytes: number;
  /** Bytes of one inline command line. At most the read buffer. Default 64 KiB. */
  readonly maxInlineBytes: number;
}

/** What a server may hold. Every queue and buffer of the package is bounded by one of these. */
export interface ServerLimits extends RequestLimits {
  /** Open connections; one more is told so and closed. Default 4096. */
  readonly maxConnections: number;
  /** Declared bytes of all requests that are larger than a read buffer. Default 256 MiB. */
  readonly maxPartialBytes: number;
  /** Unsent bytes of one connection above which it is neither read nor served. Default 1 MiB. */
  readonly maxUnsentBytes: number;
  /** Unsent bytes of all connections above which only drained ones are served. Default 256 MiB. */
  readonly maxUnsentTotalBytes: number;
  /** A peer that makes no progress for so long, while it owes some, is closed. Default 60 s. */
  readonly stallMs: number;
  /** The same for unsent output while `maxUnsentTotalBytes` is exceeded. Default 5 s. */
  readonly pressureStallMs: number;
  /** What a partial request must grow by in each `stallMs` to count as progress. Default 1 MiB. */
  readonly minProgressBytes: number;
  /** How long a connection that is closing may still read our last bytes. Default 1 s. */
  readonly lingerMs: number;
  /** How long a server that closes waits for peers to take what is queued. Default 5 s. */
  readonly closeMs: number;
  /** Server-initiated writes that may wait behind one unfinished request. Default 1024. */
  readonly maxDeferredPushes: number;
}

/** Bytes read from a socket at once, and the largest request that needs no budget. */
export const readBufferBytes = 64 * 1024;

/** Limits of a connection that has not shown a password yet: its request fits the read buffer. */
export const unauthenticatedLimits: RequestLimits = {
  maxArguments: 1024,
  maxBulkBytes: readBufferBytes,
  maxRequestBytes: readBufferBytes,
  maxInlineBytes: readBufferBytes,
};

export const defaultServerLimits: ServerLimits = {
  maxArguments: 1024,
  maxBulkBytes: 8 * 1024 * 1024,
  maxRequestBytes: 32 * 1024 * 1024,
  maxInlineBytes: readBufferBytes,
  maxConnections: 4096,
  maxPartialBytes: 256 * 1024 * 1024,
  maxUnsentBytes: 1024 * 1024,
  maxUnsentTotalBytes: 256 * 1024 * 1024,
  stallMs: 60_000,
  pressureStallMs: 5_000,
  minProgressBytes: 1024 * 1024,
  lingerMs: 1_000,
  closeMs: 5_000,
  maxDeferredPushes: 1024,
};

/**
 * Fills in defaults and refuses limits that could never be kept: every limit is a positive
 * integer, an inline line fits the read buffer, and one request fits the budget for partial ones
 * (or it could wait for ever).
 */
export function resolveLimits(given: Partial<ServerLimits> = {}): ServerLimits {
  const limits: ServerLimits = { ...defaultServerLimits, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw invalid(`${name} must be a positive integer, not ${String(value)}`);
    }
  }
  if (limits.maxInlineBytes > readBufferBytes) {
    throw invalid(`maxInlineBytes is at most ${readBufferBytes}, the read buffer`);
  }
  if (limits.maxPartialBytes < limits.maxRequestBytes) {
    throw invalid('maxPartialBytes must hold at least one request of maxRequestBytes');
  }
  return limits;
}

function invalid(message: string): GridError {
  return new GridError<RespErrorCode>('RESP_OPTION_INVALID', message);
}
