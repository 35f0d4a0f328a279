import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { leafBytesMax, payloadBytesMax, saltBytes } from '../record/entry.ts';
import type { LogBatch, StoredBody } from './log-engine.ts';

/** Most entries of one batch. */
const batchEntriesMax = 65_536;

/** Most bytes of the leaves and bodies of one batch. */
const batchBytesMax = 16 * 1024 * 1024;

/** Longest body: salt and payload, bytes. */
export const bodyBytesMax = saltBytes + payloadBytesMax;

/** Most bytes of batches that wait to be written. */
export const pendingBytesMax = 64 * 1024 * 1024;

/** Most bytes of batches that are written together; one batch may be larger. */
export const groupBytesMax = 4 * 1024 * 1024;

/** Most bodies that are erased at once. */
const erasuresMax = 1_000_000;

/** Most bytes of bodies that are put in at once. */
const addedBytesMax = 64 * 1024 * 1024;

/**
 * Checks that a batch follows a log of this size and keeps to the limits. Returns the bytes of its
 * leaves and bodies.
 * @throws BCDB_LOG_BATCH_INVALID, BCDB_TOO_LARGE
 */
export function checkBatch({ from, entries, head }: LogBatch, size: number): number {
  if (from !== size || entries.length === 0 || head.size !== from + entries.length) {
    throw new GridError<BcdbErrorCode>(
      'BCDB_LOG_BATCH_INVALID',
      `${entries.length} entries from ${from} to a head of ${head.size} do not follow a log of ${size}`,
      { details: { from, count: entries.length, headSize: head.size, size } },
    );
  }
  let bytes = 0;
  for (const { leaf, body } of entries) {
    if (leaf.length > leafBytesMax || (body?.length ?? 0) > bodyBytesMax) {
      throw tooLarge(`an entry with a leaf of ${leaf.length} and a body of ${body?.length} bytes`);
    }
    bytes += leaf.length + (body?.length ?? 0);
  }
  if (bytes > batchBytesMax || entries.length > batchEntriesMax) {
    throw tooLarge(`a batch of ${entries.length} entries and ${bytes} bytes`);
  }
  return bytes;
}

/**
 * Checks that bodies can be erased from a log of this size.
 * @throws BCDB_NOT_FOUND, BCDB_TOO_LARGE
 */
export function checkErasures(sequences: readonly number[], size: number): void {
  for (const seq of sequences) requireSequence(seq, size);
  if (sequences.length <= erasuresMax) return;
  throw new GridError<BcdbErrorCode>(
    'BCDB_TOO_LARGE',
    `${sequences.length} bodies cannot be erased at once`,
    { hint: `erase at most ${erasuresMax} at a time`, details: { erasuresMax } },
  );
}

/**
 * Checks that bodies can be put into a log of this size.
 * @throws BCDB_NOT_FOUND, BCDB_TOO_LARGE
 */
export function checkAdditions(bodies: readonly StoredBody[], size: number): void {
  let bytes = 0;
  for (const { seq, body } of bodies) {
    requireSequence(seq, size);
    if (body.length > bodyBytesMax) throw tooLarge(`a body of ${body.length} bytes`);
    bytes += body.length;
  }
  if (bytes > addedBytesMax) throw tooLarge(`bodies of ${bytes} bytes, put in at once,`);
}

function requireSequence(seq: number, size: number): void {
  if (Number.isSafeInteger(seq) && seq >= 0 && seq < size) return;
  throw new GridError<BcdbErrorCode>('BCDB_NOT_FOUND', `the log has ${size} records, no ${seq}`);
}

/** Too much waits to be written. */
export function busy(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_LOG_BUSY', `${pendingBytesMax} bytes wait to be written`, {
    retryable: true,
    details: { pendingBytesMax },
  });
}

/** An append after one that failed. */
export function stopped(cause: Error): GridError<BcdbErrorCode> {
  return new GridError('BCDB_LOG_STOPPED', 'an append failed before', {
    hint: 'open the log again: that tells what it holds',
    cause,
  });
}

function tooLarge(what: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_TOO_LARGE', `${what} is above the limit of the log`, {
    hint: 'split it',
    details: { leafBytesMax, bodyBytesMax, batchBytesMax, batchEntriesMax, addedBytesMax },
  });
}
