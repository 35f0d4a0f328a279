import type { RecordOf, RecordUrl } from '../record-types.ts';
import { recordTypes } from '../record-types.ts';
import { GridFold } from '../rules/grid-fold.ts';
import type { GridFoldOptions, GridRecord } from '../rules/grid-fold.ts';
import { fakeId } from './ids.ts';
import { fakeProof } from './memory-grid.ts';
import type { Told } from './memory-grid.ts';

/** A `GridFold` that grows record by record, and remembers them. A proof of a key is `fakeProof`. */
export class FoldedGrid {
  readonly log = fakeId.hash(0);
  readonly fold: GridFold;
  readonly records: GridRecord[] = [];
  /** Log time, milliseconds since 1970; tests move it. */
  at = 1_700_000_000_000;

  constructor(options: Partial<GridFoldOptions> = {}) {
    this.fold = foldOf(options);
  }

  /** Appends a record under the id that its payload says. */
  put<Url extends RecordUrl>(url: Url, author: string, value: RecordOf<Url>, op?: 'del'): Told {
    const obj = recordTypes.get(url)?.objectOf(value) ?? '';
    return this.tell({ url, author, obj, op: op ?? 'put', value });
  }

  tell(record: Omit<GridRecord, 'seq' | 'at'>): Told {
    const seq = this.records.length;
    const placed = { ...record, seq, at: this.at };
    this.records.push(placed);
    this.fold.add([placed]);
    return { code: this.fold.refusals.get(seq), readers: [] };
  }
}

/** A fold of the same log. */
export function foldOf(options: Partial<GridFoldOptions> = {}): GridFold {
  return new GridFold({
    ...{ log: fakeId.hash(0), releaseKeys: [] },
    isProof: (key, payload, signature) => signature === fakeProof(key, payload),
    ...options,
  });
}
