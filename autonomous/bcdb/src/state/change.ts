import type { JsonValue } from '@commongrid/crypto';
import type { RecordOp } from '../record/envelope.ts';
import type { Right } from '../record/system-records.ts';
import { isAdministrative } from './administrative.ts';
import type { ObjectName } from './state-view.ts';

/** What is to become of an object: said by a record itself, or by a proposal. */
export interface Change extends ObjectName {
  readonly op: RecordOp;
  readonly prev: string | undefined;
  readonly schema: string | undefined;
  /** The payload as a value; undefined where there is none, it is sealed, or it was erased. */
  readonly value: JsonValue | undefined;
  /** The payload as it was signed; undefined where there is none, or it was erased. */
  readonly payload: Uint8Array | undefined;
  readonly author: string;
  /** Sequence and version (leaf hash) of the record that carries the change. */
  readonly origin: number;
  readonly version: string;
}

/** When a change is judged: the record that brings it about, and the log time then. */
export interface Moment {
  readonly seq: number;
  readonly at: number;
}

/** The right that a change needs. */
export function rightFor({ op, url }: Pick<Change, 'op' | 'url'>): Right {
  if (isAdministrative(url) || op === 'erase') return 'admin';
  return op === 'del' ? 'delete' : 'write';
}
