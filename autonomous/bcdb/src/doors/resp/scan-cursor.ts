import { GridError, isGridError } from '@commongrid/base';
import { parseCanonical } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../../errors.ts';
import { payloadOf, splitLeaf } from '../../record/entry.ts';
import { parseEnvelope } from '../../record/envelope.ts';
import type { ProposalRecord } from '../../record/system-records.ts';
import { systemUrls } from '../../record/system-records.ts';
import type { TypeKey } from './key.ts';
import type { LogStream } from './log-stream.ts';
import { ReplyError } from './reply-error.ts';

/*
 * Clients of Redis keep a cursor as a number of 64 bits, too small for an id. The cursor of HSCAN is
 * the sequence of the record that made the last object of a page: the log keeps that record for
 * ever, and the record names the object. So a cursor needs no memory here and no time limit; it is
 * good on every connection and after a restart, and when the object has changed or is gone.
 * Sequence 0 is the genesis, so 0 is free to mean beginning and end.
 */

/** The number in a cursor. */
export function cursorOf(text: string): number {
  const cursor = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(cursor)) return cursor;
  throw new ReplyError('ERR invalid cursor');
}

/**
 * The id after which a scan of this type goes on; empty: from the beginning.
 * @throws BCDB_REQUEST_INVALID when the cursor is none of this type
 */
export async function placeOf(stream: LogStream, key: TypeKey, cursor: number): Promise<string> {
  if (cursor === 0) return '';
  const entry = await stream.entry(cursor);
  if (entry !== undefined) {
    const { envelope } = splitLeaf(entry.leaf);
    const { ns, url, obj } = parseEnvelope(new TextDecoder().decode(envelope));
    if (ns === key.ns && url === key.url) return obj;
    const proposed = ns === key.ns && url === systemUrls.proposal ? entry.body : undefined;
    const record = proposed && proposalIn(proposed);
    if (record?.url === key.url) return record.obj;
  }
  throw new GridError<BcdbErrorCode>('BCDB_REQUEST_INVALID', 'the cursor is of another key', {
    hint: 'begin again with cursor 0',
  });
}

/** A change that took effect by a proposal is named inside of it. */
function proposalIn(body: Uint8Array): ProposalRecord | undefined {
  try {
    return parseCanonical(payloadOf(body)) as unknown as ProposalRecord;
  } catch (error) {
    if (isGridError(error)) return undefined;
    throw error;
  }
}
