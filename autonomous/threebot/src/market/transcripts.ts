import type { DatabaseSync } from 'node:sqlite';
import { GridError } from '@commongrid/base';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { BotCounts } from '../metrics/bot-counts.ts';
import { quoteId } from './market-schema.ts';

export const transcriptTable = `
  CREATE TABLE IF NOT EXISTS market_transcript (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, deal TEXT NOT NULL, side TEXT NOT NULL,
    peer TEXT NOT NULL, at_ms INTEGER NOT NULL, step TEXT NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS market_transcript_deal ON market_transcript (deal, seq);
  CREATE INDEX IF NOT EXISTS market_transcript_peer ON market_transcript (peer, seq);
`;

/** Steps that are kept of one other bot; the oldest make room. */
const peerStepsMax = 2_000;
/** And of all together. */
const stepsMax = 50_000;
/** Characters of one answer: it has to fit into a frame. */
const pageCharactersMax = 400_000;

/** One thing that was said. */
export const transcriptStep = Type.Object({
  seq: Type.Integer(),
  deal: quoteId,
  /** What this bot was in it. */
  side: Type.Union([Type.Literal('farmer'), Type.Literal('buyer')]),
  /** The other one. */
  peer: Type.String(),
  atMs: Type.Integer(),
  step: Type.Union([
    Type.Literal('intent'),
    Type.Literal('quote'),
    Type.Literal('counter'),
    Type.Literal('accept'),
    Type.Literal('locked'),
    Type.Literal('refusal'),
  ]),
  /** What was said, or the refusal as an error. */
  body: Type.Unknown(),
});
export type TranscriptStep = Static<typeof transcriptStep>;

/** What was said in deals, word by word, for the owner to read. */
export class Transcripts {
  readonly #db: DatabaseSync;
  readonly #steps: BotCounts['marketSteps'] | undefined;

  /** @param steps where each is counted */
  constructor(db: DatabaseSync, steps?: BotCounts['marketSteps']) {
    this.#db = db;
    this.#steps = steps;
  }

  add({ deal, side, peer, atMs, step, body }: Omit<TranscriptStep, 'seq'>): void {
    const text = JSON.stringify(body instanceof GridError ? body.toJSON() : body);
    const { lastInsertRowid } = this.#db
      .prepare(
        'INSERT INTO market_transcript (deal, side, peer, at_ms, step, body) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .run(deal, side, peer, atMs, step, text);
    this.#steps?.add({ side, step });
    // Whoever asks much makes room of his own.
    this.#db
      .prepare(
        `DELETE FROM market_transcript WHERE peer = ? AND seq <= (
           SELECT seq FROM market_transcript WHERE peer = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
      )
      .run(peer, peer, peerStepsMax);
    this.#db
      .prepare('DELETE FROM market_transcript WHERE seq <= ?')
      .run(Number(lastInsertRowid) - stepsMax);
  }

  /** The newest ones first, of one deal or of all, as many as an answer holds. */
  list({
    deal,
    before = Number.MAX_SAFE_INTEGER,
  }: {
    readonly deal?: string | undefined;
    readonly before?: number | undefined;
  }): TranscriptStep[] {
    const rows = this.#db
      .prepare(
        `SELECT * FROM market_transcript WHERE seq < ? AND (? IS NULL OR deal = ?)
         ORDER BY seq DESC LIMIT 200`,
      )
      .all(before, deal ?? null, deal ?? null);
    const steps: TranscriptStep[] = [];
    let characters = 0;
    for (const row of rows) {
      const body = String(row['body']);
      characters += body.length;
      if (steps.length > 0 && characters > pageCharactersMax) break;
      steps.push(stepOf(row, body));
    }
    return steps;
  }
}

function stepOf(row: Readonly<Record<string, unknown>>, body: string): TranscriptStep {
  return {
    ...{ seq: Number(row['seq']), deal: String(row['deal']), peer: String(row['peer']) },
    ...{ side: row['side'] as TranscriptStep['side'], atMs: Number(row['at_ms']) },
    ...{ step: row['step'] as TranscriptStep['step'], body: JSON.parse(body) as unknown },
  };
}
