/** Buckets in each power of two: a reported value is at most 1/32 (3.1 %) above the true one. */
const perOctave = 32;
const bucketCount = 28 * perOctave;
/** Longest latency that is told apart, microseconds; longer ones count as this. */
const maxUs = 2 ** 32 - 1;

/** One Prometheus bucket: how many values lie below the bound. */
export interface CumulativeBucket {
  readonly boundUs: number;
  readonly count: number;
}

/** Powers of two from 64 us to 67 s: bucket borders of the histogram, so their counts are exact. */
export const defaultBoundsUs: readonly number[] = Array.from(
  { length: 21 },
  (_, k) => 2 ** (k + 6),
);

/**
 * Durations in microseconds, 0 to 71 minutes (longer ones count as that), in 896 buckets: one a
 * microsecond up to 64, then 32 in each power of two. Recording allocates nothing.
 */
export class LatencyHistogram {
  readonly #counts = new Float64Array(bucketCount);
  #count = 0;
  #sumUs = 0;
  #maxUs = 0;

  get count(): number {
    return this.#count;
  }

  get sumUs(): number {
    return this.#sumUs;
  }

  /** The largest value, exact; 0 when empty. */
  get maxUs(): number {
    return this.#maxUs;
  }

  get meanUs(): number {
    return this.#count === 0 ? 0 : this.#sumUs / this.#count;
  }

  /** Fractions are kept in the sum and dropped for the bucket; below 0 and NaN count as 0. */
  record(us: number): void {
    const value = us > 0 ? Math.min(us, maxUs) : 0;
    const bucket = bucketOf(value);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count++;
    this.#sumUs += value;
    if (value > this.#maxUs) this.#maxUs = value;
  }

  /**
   * The value that `percent` (0 to 100) of the records do not exceed, at most 1/32 too high (below
   * 64 us: less than 1 us), never above the maximum; 0 when empty.
   */
  percentile(percent: number): number {
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank) return Math.min(lowerUs(bucket + 1), this.#maxUs);
    }
    return this.#maxUs;
  }

  /** Adds what another one counted. */
  merge(other: LatencyHistogram): void {
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      this.#counts[bucket] = (this.#counts[bucket] ?? 0) + (other.#counts[bucket] ?? 0);
    }
    this.#count += other.#count;
    this.#sumUs += other.#sumUs;
    this.#maxUs = Math.max(this.#maxUs, other.#maxUs);
  }

  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sumUs = 0;
    this.#maxUs = 0;
  }

  /**
   * How many records lie below each bound, the bounds ascending. Exact for bounds that are bucket
   * borders, such as powers of two; for others, records in the bucket around the bound are left out.
   */
  cumulative(boundsUs: readonly number[] = defaultBoundsUs): CumulativeBucket[] {
    let bucket = 0;
    let count = 0;
    return boundsUs.map((boundUs) => {
      for (; bucket < bucketCount && lowerUs(bucket + 1) <= boundUs; bucket++) {
        count += this.#counts[bucket] ?? 0;
      }
      return { boundUs, count };
    });
  }
}

/** Values below 64 are their own bucket; above, the top six bits choose it. */
function bucketOf(us: number): number {
  const value = us >>> 0;
  const shift = Math.max(0, 26 - Math.clz32(value));
  return shift * perOctave + (value >>> shift);
}

function lowerUs(bucket: number): number {
  const shift = Math.max(0, Math.floor(bucket / perOctave) - 1);
  return (bucket - shift * perOctave) * 2 ** shift;
}
