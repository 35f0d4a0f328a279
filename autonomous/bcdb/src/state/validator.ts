import type { JsonValue } from '@commongrid/crypto';
import type { RecordOp, TreeHead } from '../record/envelope.ts';
import type { LogHead } from '../log/log-engine.ts';
import { systemUrls } from '../record/system-records.ts';
import type { NamespaceRecord } from '../record/system-records.ts';
import { toBase64url } from '../tree/base64.ts';
import type { StateReader, StateView } from './state-view.ts';

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

/** Whether a namespace has rules of its own: its records must say which head their author saw. */
export function hasRules(view: Pick<StateReader, 'document'>, ns: string): boolean {
  const name = { ns, url: systemUrls.namespace, obj: 'namespace' };
  return view.document<NamespaceRecord>(name)?.value.validator !== undefined;
}

/** The head that a record of the namespace names, written now; undefined where it need not name one. */
export function seenFor(
  view: Pick<StateReader, 'document'>,
  ns: string,
  { size, root }: LogHead,
): TreeHead | undefined {
  return hasRules(view, ns) ? { size, root: toBase64url(root) } : undefined;
}

/** Rules by name and version. A version that was released never changes. */
export type Validators = ReadonlyMap<string, Validator>;
