/** What a process had at a time. */
export interface Sample {
  /** ms of a clock that only goes on. */
  readonly atMs: number;
  /** Memory that is its own: neither files that it maps nor what it shares. */
  readonly ownBytes: number;
  /** Open descriptors. */
  readonly files: number;
}

export interface GrowthRule {
  /** After a process began, what it does in that time is not judged, ms. */
  readonly warmUpMs: number;
  /** Least time that is judged, ms. */
  readonly judgedMsMin: number;
  /** A line that rises by no more than this in the time that is judged is flat. */
  readonly riseMax: { readonly ownBytes: number; readonly files: number };
}

/** What is meant by flat, unless somebody says otherwise. */
export const growthRule: GrowthRule = {
  warmUpMs: 300_000,
  judgedMsMin: 300_000,
  riseMax: { ownBytes: 32 * 2 ** 20, files: 32 },
};

export interface Growth {
  readonly bytesPerHour: number;
  readonly filesPerHour: number;
  /** Time that is judged, ms. */
  readonly overMs: number;
  /** Neither memory nor files grow without end, as far as this time shows it. */
  readonly isFlat: boolean;
}

/** Samples below which no line is drawn. */
const samplesMin = 12;
/** A leak goes on all the time: each half of what is judged rises at least at this part of the whole's pace. */
const steadyPart = 1 / 4;
const hourMs = 3_600_000;

/**
 * How memory and open files of one life of a process grow: a line through the second half of it, and not before it is warm.
 * It is no leak where the line rises by little over all that is judged, or where it does not go on rising in both halves of
 * that, as when something was filled once. A leak that is slower is seen by a longer look.
 * @param samples of one life, the oldest first
 * @returns undefined for a life that is too short
 */
export function growthOf(
  samples: readonly Sample[],
  { warmUpMs, judgedMsMin, riseMax }: GrowthRule = growthRule,
): Growth | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const middleMs = (first.atMs + last.atMs) / 2;
  const fromMs = Math.max(first.atMs + warmUpMs, middleMs);
  const judged = samples.filter(({ atMs }) => atMs >= fromMs);
  const overMs = last.atMs - (judged[0]?.atMs ?? last.atMs);
  if (overMs < judgedMsMin || judged.length < samplesMin) return undefined;
  const bytes = judged.map(({ atMs, ownBytes }): Point => [atMs, ownBytes]);
  const files = judged.map(({ atMs, files: count }): Point => [atMs, count]);
  return {
    ...{ bytesPerHour: slopeOf(bytes) * hourMs, filesPerHour: slopeOf(files) * hourMs, overMs },
    isFlat: !isLeak(bytes, overMs, riseMax.ownBytes) && !isLeak(files, overMs, riseMax.files),
  };
}

type Point = readonly [atMs: number, value: number];

function isLeak(points: readonly Point[], overMs: number, riseMax: number): boolean {
  const slope = slopeOf(points);
  if (slope * overMs <= riseMax) return false;
  const middle = Math.floor(points.length / 2);
  const halves = [points.slice(0, middle), points.slice(middle)];
  return halves.every((half) => slopeOf(half) >= slope * steadyPart);
}

/** Of the line with the least squares, by ms. */
function slopeOf(points: readonly Point[]): number {
  const mean = (at: 0 | 1): number => {
    return points.reduce((sum, point) => sum + point[at], 0) / points.length;
  };
  const [meanMs, meanValue] = [mean(0), mean(1)];
  let [products, squares] = [0, 0];
  for (const [atMs, value] of points) {
    products += (atMs - meanMs) * (value - meanValue);
    squares += (atMs - meanMs) ** 2;
  }
  return squares === 0 ? 0 : products / squares;
}
