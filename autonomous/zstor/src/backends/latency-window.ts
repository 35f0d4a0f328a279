/** Latencies that are remembered: enough for a p95, few enough to forget a bad hour soon. */
const samplesMax = 128;
/** The percentiles are worked out again after so many new ones. */
const refreshEvery = 16;

/** Percentiles of the last latencies. */
export class LatencyWindow {
  #samplesMs: number[] = [];
  #count = 0;
  #percentiles = { p50: 0, p95: 0 };

  get percentilesMs(): { readonly p50: number; readonly p95: number } {
    return this.#percentiles;
  }

  record(ms: number): void {
    this.#samplesMs[this.#count % samplesMax] = ms;
    this.#count++;
    // The first ones count at once: nothing else is known.
    if (this.#count > refreshEvery && this.#count % refreshEvery > 0) return;
    const sorted = this.#samplesMs.toSorted((a, b) => a - b);
    const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
    this.#percentiles = { p50: at(0.5), p95: at(0.95) };
  }

  forget(): void {
    this.#samplesMs = [];
    this.#count = 0;
    this.#percentiles = { p50: 0, p95: 0 };
  }
}
