import { delay, repeat } from '@commongrid/base';
import type { Clock, Logger, TaskGroup } from '@commongrid/base';
import type { Catalog } from '../catalog/catalog.ts';
import { ByteBudget } from './byte-budget.ts';
import { walkChunks } from './chunk-walk.ts';
import { newAuditCounts } from './shard-audit.ts';
import type { AuditCounts, ShardAudit } from './shard-audit.ts';

/** In this time backends read and hash all that they have, and anything wrong is found. */
const auditPassMs = 3 * 24 * 3_600_000;
/** However little there is, they read so much a second during a pass. */
const auditBytesPerSecondMin = 4 * 2 ** 20;
/** A head that was just started has other things to do. */
const firstAuditMs = 60_000;
/** How often backends are asked what their own scrub found. */
const damagedEveryMs = 60_000;

export interface ScrubTimes {
  /** Default 3 days. */
  readonly auditPassMs?: number;
  /** Default 1 min. */
  readonly firstAuditMs?: number;
}

export interface ScrubbingOptions {
  readonly catalog: Catalog;
  readonly audit: ShardAudit;
  /** What all shards take, as far as that is known. */
  readonly storedBytes: () => number;
  readonly times: ScrubTimes;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Looks for shards that are damaged or wrong, pass by pass, whether anybody reads them or not. */
export class Scrubbing {
  readonly #o: ScrubbingOptions;
  /** Of the pass that runs. */
  #running: AuditCounts | undefined;
  #last: { readonly counts: AuditCounts; readonly endedMs: number } | undefined;

  constructor(options: ScrubbingOptions) {
    this.#o = options;
  }

  get status(): {
    readonly running?: AuditCounts;
    readonly last?: AuditCounts & { endedMs: number };
  } {
    return {
      ...(this.#running === undefined ? {} : { running: { ...this.#running } }),
      ...(this.#last === undefined
        ? {}
        : { last: { ...this.#last.counts, endedMs: this.#last.endedMs } }),
    };
  }

  start(tasks: TaskGroup): void {
    const { clock, logger, times } = this.#o;
    const onError = (err: unknown): void => logger.warn({ err }, 'scrubbing failed');
    tasks.start('damaged keys', (signal) =>
      repeat(damagedEveryMs, () => this.#askDamaged(), { signal, clock, onError }),
    );
    const { auditPassMs: passMs = auditPassMs, firstAuditMs: firstMs = firstAuditMs } = times;
    tasks.start('audit', async (signal) => {
      await delay(firstMs, { signal, clock });
      await repeat(passMs, () => this.#pass(passMs, signal), { signal, clock, onError });
    });
  }

  /** A pass now, as fast as backends read. @throws BASE_ABORTED */
  async run(signal: AbortSignal, onProgress?: (counts: AuditCounts) => void): Promise<AuditCounts> {
    const { audit, catalog, clock } = this.#o;
    await audit.askDamaged();
    const counts = newAuditCounts();
    const ended = new AbortController();
    const told = repeat(progressEveryMs, () => onProgress?.(counts), {
      ...{ signal: ended.signal, clock },
    });
    try {
      await audit.run(walkChunks(catalog, signal), counts, signal);
    } finally {
      ended.abort();
      await told;
    }
    this.#last = { counts, endedMs: clock.nowMs() };
    return counts;
  }

  async #askDamaged(): Promise<void> {
    if (this.#o.catalog.isServing) await this.#o.audit.askDamaged();
  }

  async #pass(passMs: number, signal: AbortSignal): Promise<void> {
    const { catalog, audit, clock, storedBytes, logger } = this.#o;
    if (!catalog.isServing) return;
    const counts = newAuditCounts();
    this.#running = counts;
    try {
      const perSecond = Math.max(auditBytesPerSecondMin, storedBytes() / (passMs / 1000));
      const rate = new ByteBudget(perSecond, clock);
      await audit.run(walkChunks(catalog, signal), counts, signal, rate);
      this.#last = { counts, endedMs: clock.nowMs() };
      logger.info({ ...counts }, 'a pass over all shards has ended');
    } finally {
      this.#running = undefined;
    }
  }
}

const progressEveryMs = 250;
