import { readUpTo } from '@commongrid/files';
import { keyLengthOf, recordBytes, valueLengthOf } from '../engine/log/format.ts';
import { checkRecord, type Fault, type FetchedRecord } from '../engine/reading/record-reader.ts';
import type { Store } from '../engine/store.ts';

/** Reads the record that the last operation lacked. @throws GridError ZDB_READ_FAILED */
export function fetchFault(store: Store): Promise<FetchedRecord> {
  return store.reader.fetch(faultOf(store));
}

/** The same in this turn, for an operation that cannot pause. @throws GridError ZDB_READ_FAILED */
export function readFaultNow(store: Store): FetchedRecord {
  const { segment, offset, lengths } = faultOf(store);
  const length = recordBytes(keyLengthOf(lengths), valueLengthOf(lengths));
  const bytes = Buffer.allocUnsafeSlow(length);
  const got = readUpTo(store.table.files, segment.fd, bytes, 0, length, offset);
  checkRecord(bytes, 0, got, segment, offset, lengths);
  return { segment, offset, lengths, bytes };
}

function faultOf(store: Store): Fault {
  const { fault } = store.reader;
  if (fault === undefined) throw new Error('an operation met a fault and named no record');
  return fault;
}
