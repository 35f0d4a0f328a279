import type { Store } from '../engine/store.ts';

/** Tells which segments have grown since somebody last asked to forget: for incremental copies. */
export class SegmentMarks {
  readonly #store: Store;
  #ends = new Map<number, number>();

  constructor(store: Store) {
    this.#store = store;
    this.reset();
  }

  /** Numbers of the segments that were made or written to, in order of the log. */
  changed(): number[] {
    return this.#store.table.segments
      .filter((segment) => this.#ends.get(segment.id) !== segment.nextOffset)
      .map((segment) => segment.id);
  }

  reset(): void {
    const { segments } = this.#store.table;
    this.#ends = new Map(segments.map((segment) => [segment.id, segment.nextOffset]));
  }
}
