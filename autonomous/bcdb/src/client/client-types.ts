import type { JsonValue } from '@commongrid/crypto';
import type { FindQuery } from '../projection/find.ts';
import type { SearchQuery } from '../projection/projection-reader.ts';
import type { VerifiedRecord } from '../tree/verifier.ts';

/** What every call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What every read takes. */
export interface ReadOptions extends CallOptions {
  /**
   * The answer counts everything up to this record. Default: the newest one that this client wrote, or
   * saw the log have.
   */
  readonly minSeq?: number | undefined;
}

/** A version of an object. */
export interface ClientObject {
  readonly url: string;
  readonly obj: string;
  /** When it took effect. */
  readonly seq: number;
  /** Record that carries it. */
  readonly origin: number;
  /** What the next version names as `prev`. */
  readonly version: string;
  readonly author: string;
  /** Log time, milliseconds since 1970. */
  readonly at: number;
  readonly schema?: string;
  /** Absent when it was deleted or erased. */
  readonly value?: JsonValue;
  /** In place of `value` where payloads are sealed: base64url. */
  readonly box?: string;
}

export interface ClientChange extends ClientObject {
  readonly kind: 'put' | 'del' | 'erase';
}

export interface WatchedChange extends ClientChange {
  /** Where to go on after this change: `after` of another watch. */
  readonly place: string;
}

export interface ClientPage {
  readonly objects: readonly ClientObject[];
  /** Gives the next page; absent at the end. */
  readonly cursor?: string;
}

export type ClientFind = FindQuery & { readonly minSeq?: number | undefined };
export type ClientSearch = SearchQuery & { readonly minSeq?: number | undefined };

export interface ClientRows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly JsonValue[])[];
}

/** The newest version of an object, as the log has it. */
export interface ProvenObject extends VerifiedRecord {
  /**
   * The payload as a value; absent for a deletion, where it was erased or is no JSON, and where the
   * record is a proposal.
   */
  readonly value?: JsonValue;
  /**
   * What a proposal would make of the object, where the server says that one did: the record shows
   * that it was proposed, not that it took effect.
   */
  readonly proposed?: JsonValue;
}
