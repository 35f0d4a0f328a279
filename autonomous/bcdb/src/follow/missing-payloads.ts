import { GridError, isGridError, writeFileAtomic } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { batchBytesMax } from '../ledger/ledger-batch.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { StoredBody } from '../log/log-engine.ts';
import { checkRecord } from '../record/checked-record.ts';
import type { Entry } from '../record/entry.ts';
import type { VerifiedHead } from '../tree/verifier.ts';
import type { LogSource } from './log-source.ts';

export interface MissingPayloadsParts {
  readonly ledger: Ledger;
  readonly source: LogSource;
  readonly logger: Logger;
  /** File whose being there says that state and projection are to be made anew. */
  readonly staleMark: string;
}

/**
 * What becomes of payloads that did not come with their records. Either they were erased, and the log
 * says so further on: then the state itself settles them. Or they are withheld.
 *
 * 1. Before a head is asked for, note how many records are here. Whatever is missing of those was
 *    missing then.
 * 2. Take all records of a head that was the newest one later than that. What is still missing was not
 *    erased: it is withheld, and that is told.
 * 3. Ask the source for it again, ever more seldom.
 * 4. A payload that has the right hash goes into the log. State and projection were made without it,
 *    and whatever came after was judged so: the ledger stops, and the next start makes them anew.
 */
export class MissingPayloads {
  readonly #parts: MissingPayloadsParts;
  #mark: { readonly size: number; readonly atMs: number } | undefined;
  #withheld: readonly number[] = [];
  /** Sequences that keep the copy from going on. */
  #needed: readonly number[] = [];
  /** Where the last question ended. */
  #asked: string | undefined;
  #askFromMs = 0;
  #pauseMs = askMsMin;

  constructor(parts: MissingPayloadsParts) {
    this.#parts = parts;
  }

  /** Sequences of records whose payloads the source withholds, the first ones. */
  get withheld(): readonly number[] {
    return [...this.#withheld, ...this.#needed];
  }

  /** Phase 1. */
  begin(): void {
    this.#mark ??= { size: this.#parts.ledger.nextSeq, atMs: Date.now() };
  }

  /** A record could not be judged without its payload. */
  need({ details }: GridError): void {
    const { sequences } = details as { readonly sequences?: readonly number[] };
    this.#needed = sequences ?? [];
  }

  /** Phases 2 to 4, with all records of a head. */
  async look(head: VerifiedHead, signal: AbortSignal): Promise<void> {
    const mark = this.#mark;
    this.#needed = [];
    if (mark === undefined || isBefore(head, mark.atMs)) return;
    this.#mark = undefined;
    this.#tell(this.#missing(mark.size, withheldMax).map(({ seq }) => seq));
    if (this.#withheld.length === 0) {
      this.#askFromMs = 0;
      this.#pauseMs = askMsMin;
      return;
    }
    if (performance.now() < this.#askFromMs) return;
    this.#askFromMs = performance.now() + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, askMsMax);
    const bodies = await this.#ask(mark.size, signal);
    if (bodies.length > 0) await this.#takeIn(bodies);
  }

  #missing(size: number, max: number, after?: string): ReturnType<Ledger['view']['missing']> {
    return this.#parts.ledger.view.missing(max, after).filter(({ seq }) => seq < size);
  }

  #tell(sequences: readonly number[]): void {
    const { logger } = this.#parts;
    const known = new Set(this.#withheld);
    this.#withheld = sequences.toSorted((a, b) => a - b);
    if (this.#withheld.some((seq) => !known.has(seq))) {
      const err = withheldBySource(this.#withheld);
      logger.error({ err, sequences: this.#withheld }, 'the source withholds payloads');
    } else if (known.size > 0 && sequences.length === 0) {
      logger.info({}, 'no payload is withheld any more');
    }
  }

  /** Phase 3: the next ones of those that are missing. */
  async #ask(size: number, signal: AbortSignal): Promise<readonly StoredBody[]> {
    const page = this.#missing(size, askedMax, this.#asked);
    this.#asked = page.length < askedMax ? undefined : page.at(-1)?.key;
    const bodies: StoredBody[] = [];
    let bytes = 0;
    for (const { seq } of page) {
      const body = await this.#bodyOf(seq, signal);
      if (body === undefined) continue;
      bodies.push({ seq, body });
      bytes += body.length;
      if (bytes >= batchBytesMax) break;
    }
    return bodies;
  }

  async #bodyOf(seq: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    for await (const [entry] of this.#parts.source.entries(seq, seq + 1, signal)) {
      return entry?.body === undefined ? undefined : this.#verified(seq, entry);
    }
    return undefined;
  }

  #verified(seq: number, entry: Entry): Uint8Array | undefined {
    const { ledger, logger } = this.#parts;
    try {
      if (checkRecord(entry).version === ledger.versionAt(seq)) return entry.body;
      logger.warn({ seq }, 'the source gave another record than the one that lacks its payload');
    } catch (error) {
      if (!isGridError(error)) throw error;
      logger.warn({ seq, err: error }, 'the source gave a payload that is not the one signed');
    }
    return undefined;
  }

  /** Phase 4. Marked ahead: killed in between, it is made anew for nothing, and asks again. */
  async #takeIn(bodies: readonly StoredBody[]): Promise<void> {
    const { ledger, logger, staleMark } = this.#parts;
    const sequences = bodies.map(({ seq }) => seq);
    logger.warn({ sequences }, 'payloads came that were withheld: a start judges the log anew');
    await writeFileAtomic(staleMark, '');
    await ledger.addBodies(bodies);
  }
}

/** Withheld payloads that are told of. */
const withheldMax = 1000;

/** Payloads that the source is asked for again in one round. */
const askedMax = 64;

/** Least time from one question for withheld payloads to the next, ms; it doubles each time. */
const askMsMin = 1000;

/** Most time from one question for withheld payloads to the next, ms. */
const askMsMax = 60_000;

/** Whether a head was the newest one only before a time, for all that is known. */
function isBefore({ timestamp }: VerifiedHead, atMs: number): boolean {
  return timestamp !== undefined && timestamp * 1000 < atMs;
}

function withheldBySource(sequences: readonly number[]): GridError<BcdbErrorCode> {
  const first = sequences.slice(0, 10).join(', ');
  return new GridError(
    'BCDB_ENTRIES_WITHHELD',
    `payloads are missing that the log does not say are erased: of ${first}`,
    {
      hint: 'ask whoever runs the source, or follow another one',
      retryable: true,
      details: { sequences },
    },
  );
}
