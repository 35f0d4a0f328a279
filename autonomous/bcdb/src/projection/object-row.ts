import type { SQLOutputValue } from 'node:sqlite';

/** One version of an object. */
export interface ObjectVersion {
  readonly url: string;
  readonly obj: string;
  /** Sequence at which it took effect: what `waitFor` and `asOf` speak of. */
  readonly seq: number;
  /** Sequence of the record that carries it. */
  readonly origin: number;
  /** Leaf hash of that record: what the next version names as `prev`. */
  readonly version: string;
  readonly author: string;
  /** Log time, milliseconds since 1970. */
  readonly at: number;
  readonly schema: string | undefined;
  /** JSON text; bytes of a sealed box; undefined when it was deleted or erased. */
  readonly payload: string | Uint8Array | undefined;
}

/** An entry of a history or of the feed of changes. */
export interface ObjectChange extends ObjectVersion {
  readonly kind: 'put' | 'del' | 'erase';
}

/** The columns that `versionOf` reads, in its order. */
export const versionColumns = 'obj, seq, origin, version, author, at, schema, payload';

/** Names the columns of `versionColumns` in a row that came as an array. */
export function versionOf(
  url: string,
  row: readonly SQLOutputValue[],
  textOf: (id: number) => string,
): ObjectVersion {
  const [obj, seq, origin, version, author, at, schema, payload] = row;
  return {
    url,
    obj: String(obj),
    seq: Number(seq),
    origin: Number(origin),
    version: String(version),
    author: textOf(Number(author)),
    at: Number(at),
    schema: schema === null ? undefined : textOf(Number(schema)),
    payload: typeof payload === 'string' || payload instanceof Uint8Array ? payload : undefined,
  };
}
