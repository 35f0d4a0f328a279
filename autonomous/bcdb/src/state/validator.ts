import type { JsonValue } from '@commongrid/crypto';
import type { RecordOp } from '../record/envelope.ts';
import type { StateView } from './state-view.ts';

/** A change in a validated namespace, as its rules see it. Rights and schema were checked. */
export interface ValidatedChange {
  readonly ns: string;
  readonly url: string;
  readonly obj: string;
  readonly op: RecordOp;
  readonly author: string;
  readonly value: JsonValue | undefined;
  readonly seq: number;
  /** Log time, milliseconds since 1970. */
  readonly at: number;
}

/**
 * The rules of a namespace: a pure function of the state before a record and the record. It throws a
 * refusal, or notes in the view what follows. No clock but log time, no chance, no input or output,
 * integers only: every replica runs it again and must come to the same.
 */
export type Validator = (view: StateView, change: ValidatedChange) => void;

/** Rules by name and version. A version that was released never changes. */
export type Validators = ReadonlyMap<string, Validator>;
