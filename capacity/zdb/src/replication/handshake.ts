import { GridError } from '@commongrid/base';
import type { Reply } from '@commongrid/resp';
import type { ZdbErrorCode } from '../errors.ts';
import { decodeTerms, type TermHistory } from './terms.ts';

/** What a source answers to REPLICATE: seven texts. */
export interface Welcome {
  /** `continue`: frames follow. `cut`: go back to `common` and ask again. `anew`: begin from nothing. */
  readonly verdict: 'continue' | 'cut' | 'anew';
  readonly logId: bigint;
  readonly term: number;
  readonly history: TermHistory;
  /** Last common sequence; only of `cut`. */
  readonly common: number;
  readonly deletionsDroppedThrough: number;
  /** Sequential namespaces: number -> next id. */
  readonly nextIds: ReadonlyMap<number, number>;
}

/** A push message of the source: whole frames as they stand in a segment there. */
export interface FramesMessage {
  readonly segmentId: number;
  readonly offset: number;
  /** What is missing before and in these frames was decided upon with records up to here. */
  readonly compactedThrough: number;
  readonly deletionsDroppedThrough: number;
  readonly bytes: Buffer;
}

export function encodeLogId(logId: bigint): string {
  return logId.toString(16).padStart(16, '0');
}

/** @throws GridError ZDB_REPLICA_STREAM_BROKEN */
export function parseWelcome(reply: Reply): Welcome {
  const texts = Array.isArray(reply) ? reply.map((one: Reply) => textOf(one)) : [];
  const [verdict, logId = '', term, terms = '', common, dropped, nextIds = ''] = texts;
  const history = decodeTerms(terms);
  if (
    (verdict !== 'continue' && verdict !== 'cut' && verdict !== 'anew') ||
    !/^[0-9a-f]{16}$/.test(logId) ||
    history === undefined
  ) {
    throw broken('its answer to REPLICATE makes no sense');
  }
  return {
    verdict,
    logId: BigInt(`0x${logId}`),
    term: numberOf(term),
    history,
    common: numberOf(common),
    deletionsDroppedThrough: numberOf(dropped),
    nextIds: parseNextIds(nextIds),
  };
}

/** @throws GridError ZDB_REPLICA_STREAM_BROKEN */
export function parseFrames(message: readonly Reply[]): FramesMessage {
  const [kind, segmentId, offset, compactedThrough, deletionsDroppedThrough, bytes] = message;
  if (kind === undefined || textOf(kind) !== 'frames' || !(bytes instanceof Buffer)) {
    throw broken('an unknown message');
  }
  return {
    segmentId: numberOf(segmentId),
    offset: numberOf(offset),
    compactedThrough: numberOf(compactedThrough),
    deletionsDroppedThrough: numberOf(deletionsDroppedThrough),
    bytes,
  };
}

/** Namespaces with their next ids as one text: `2:15,7:3`. */
export function encodeNextIds(nextIds: ReadonlyMap<number, number>): string {
  return [...nextIds].map(([id, next]) => `${id}:${next}`).join(',');
}

function parseNextIds(text: string): Map<number, number> {
  const nextIds = new Map<number, number>();
  if (text === '') return nextIds;
  for (const part of text.split(',')) {
    const [id, next] = part.split(':');
    nextIds.set(numberOf(id), numberOf(next));
  }
  return nextIds;
}

function textOf(reply: Reply): string {
  if (reply instanceof Buffer) return reply.toString('latin1');
  return typeof reply === 'string' || typeof reply === 'number' ? String(reply) : '';
}

function numberOf(reply: Reply | undefined): number {
  const value = reply === undefined ? Number.NaN : Number(textOf(reply) || Number.NaN);
  if (!Number.isSafeInteger(value) || value < 0) throw broken('a number is missing');
  return value;
}

export function broken(reason: string): GridError<ZdbErrorCode> {
  return new GridError('ZDB_REPLICA_STREAM_BROKEN', `the source cannot be followed: ${reason}`, {
    hint: 'the replica connects again; should it go on, look at the memory and network of both',
    retryable: true,
  });
}
