/** Compaction has replaced the segment meanwhile: look the record up again. */
export class SegmentGone extends Error {
  constructor(path: string) {
    super(`${path} was replaced`);
    this.name = 'SegmentGone';
  }
}
