import type { Clock } from '@commongrid/base';
import type { ChunkTables } from '../blob/chunk-table.ts';
import { valueBytesOf } from '../chunk/shard.ts';
import type { ChunkNeed } from './chunk-need.ts';
import { walkChunks } from './chunk-walk.ts';
import type { WalkedChunk } from './chunk-walk.ts';

/** All records are compared with the backends so often, though nothing changed. */
const surveyEveryMs = 10 * 60_000;
/** After a survey no other one begins for so many times as long as it took, and this long at least. */
const surveyRestFactor = 5;
const surveyRestMs = 500;
/** The same for one whose only reason is that the last one found chunks that nobody could mend. */
const retryRestFactor = 30;
const retryRestMs = 10_000;

/** What was found when all records were looked through. */
export interface Survey {
  chunks: number;
  /** Chunks with shards that are missing, or not where they should be. */
  needy: number;
  /** Chunks that cannot be read now. */
  unreadable: number;
  /** Shards that are missing. */
  missing: number;
  /** Of all shards. */
  bytes: number;
  /** Shards by backend, and their bytes. */
  readonly shards: Map<number, number>;
  readonly bytesOn: Map<number, number>;
}

export interface SurveysOptions {
  readonly tables: Pick<ChunkTables, 'read'>;
  /** Whether records and backends may be compared just now. */
  readonly isReady: () => boolean;
  /** Takes a chunk up, and says what it needs; undefined when that cannot be said yet. */
  readonly takeUp: (chunk: WalkedChunk) => ChunkNeed | undefined;
  readonly clock: Clock;
}

/** Looks through all records, whenever there is a reason. */
export class Surveys {
  readonly #o: SurveysOptions;
  #latest = newSurvey();
  #count = 0;
  #isDue = false;
  #isRunning = false;
  #endedMs = -Infinity;
  #tookMs = 0;
  #nextMs = 0;

  constructor(options: SurveysOptions) {
    this.#o = options;
  }

  /** The last one that ended. */
  get latest(): Survey {
    return this.#latest;
  }

  /** How many have ended. */
  get count(): number {
    return this.#count;
  }

  /** Something changed. */
  due(): void {
    this.#isDue = true;
  }

  /** Has one begin as soon as it can. @returns the count once one has ended that began from now on */
  request(): number {
    this.#isDue = true;
    this.#nextMs = 0;
    return this.#count + (this.#isRunning ? 2 : 1);
  }

  /**
   * Nothing while one runs: what became due meanwhile waits for the next call.
   * @param reasons.hasNews there is another reason than time
   * @param reasons.isCalm nothing is being mended: what the last one found and is still there was tried in vain
   * @throws BASE_ABORTED
   */
  async runWhenDue(
    { hasNews, isCalm }: { readonly hasNews: boolean; readonly isCalm: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const { tables, isReady, clock } = this.#o;
    if (hasNews) this.#isDue = true;
    if (this.#isRunning) return;
    const startedMs = clock.monotonicMs();
    const everyMs = isCalm && this.#latest.needy > 0 ? this.#retryEveryMs : surveyEveryMs;
    if (!this.#isDue && startedMs - this.#endedMs < everyMs) return;
    if (startedMs < this.#nextMs || !isReady()) return;
    this.#isDue = false;
    this.#isRunning = true;
    try {
      const survey = newSurvey();
      for await (const page of walkChunks(tables, signal)) {
        if (!isReady()) return;
        for (const chunk of page) this.#add(survey, chunk);
      }
      this.#latest = survey;
      this.#count++;
    } finally {
      this.#isRunning = false;
    }
    this.#endedMs = clock.monotonicMs();
    this.#tookMs = this.#endedMs - startedMs;
    this.#nextMs = this.#endedMs + Math.max(surveyRestMs, surveyRestFactor * this.#tookMs);
  }

  get #retryEveryMs(): number {
    return Math.max(retryRestMs, retryRestFactor * this.#tookMs);
  }

  #add(survey: Survey, chunk: WalkedChunk): void {
    const valueBytes = valueBytesOf(chunk.bodyBytes, chunk.dataShards);
    survey.chunks++;
    survey.bytes += chunk.locations.length * valueBytes;
    for (const no of chunk.locations) {
      survey.shards.set(no, (survey.shards.get(no) ?? 0) + 1);
      survey.bytesOn.set(no, (survey.bytesOn.get(no) ?? 0) + valueBytes);
    }
    const need = this.#o.takeUp(chunk);
    if (need === undefined) return;
    survey.missing += need.missing.length;
    if (need.missing.length + need.misplaced.length > 0) survey.needy++;
    if (need.spareShards < 0) survey.unreadable++;
  }
}

function newSurvey(): Survey {
  const counts = { chunks: 0, needy: 0, unreadable: 0, missing: 0, bytes: 0 };
  return { ...counts, shards: new Map(), bytesOn: new Map() };
}
