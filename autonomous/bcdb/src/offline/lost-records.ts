import { GridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { checkRecord } from '../record/checked-record.ts';
import type { CheckedRecord } from '../record/checked-record.ts';
import { logNamespace } from '../record/system-records.ts';
import { openExport } from './export-file.ts';
import { entryOf, parseLine } from './export-line.ts';
import type { LostHeader } from './export-line.ts';

/**
 * Records of a file that `adoptHandover` wrote, in order: to be sent again as they are. Those of the
 * sequencer itself are left out; it has another key now. So is what was erased.
 * @param log the log that it must be
 * @throws BCDB_EXPORT_INVALID, BCDB_OTHER_LOG
 */
export async function* lostRecords(file: string, log: string): AsyncGenerator<CheckedRecord> {
  await using handle = await openExport(file);
  let lineNumber = 0;
  for await (const text of handle.readLines()) {
    lineNumber++;
    if (lineNumber === 1) {
      requireHeader(text, log);
      continue;
    }
    const line = parseLine(text, lineNumber);
    if (!('envelope' in line)) throw notLost();
    const record = checkRecord(entryOf(line), { mayBeErased: true });
    const isErased = record.envelope.op === 'put' && record.entry.body === undefined;
    if (record.envelope.ns !== logNamespace && !isErased) yield record;
  }
}

function requireHeader(text: string, log: string): void {
  const { schema, log: actual } = headerOf(text);
  if (schema !== 'grid.bcdb.lost.1') throw notLost();
  if (actual === log) return;
  throw new GridError<BcdbErrorCode>('BCDB_OTHER_LOG', `these records are of log ${actual}`, {
    details: { expected: log, actual },
  });
}

function headerOf(text: string): Partial<LostHeader> {
  try {
    return JSON.parse(text) as Partial<LostHeader>;
  } catch {
    throw notLost();
  }
}

function notLost(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_EXPORT_INVALID', 'this file has no records that were given up', {
    hint: 'name a file lost-SIZE.jsonl that adopting a handover has made',
  });
}
