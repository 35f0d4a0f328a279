import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { waitFor } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';
import { WalletScene } from '@commongrid/model/testing';
import type { BlockedContract } from './blocked-findings.ts';
import { NoticeBook, noticeTables } from './notice-book.ts';
import { NoticeKeeper } from './notice-keeper.ts';

/** A keeper over a scene in which ada pays bob for 20 hours. */
class Kept {
  readonly scene = new WalletScene();
  readonly clock = new ManualClock();
  readonly book: NoticeBook;
  readonly keeper: NoticeKeeper;
  blocked: BlockedContract[] = [];
  isAway = false;
  #news = Promise.withResolvers<void>();

  constructor(t: TestContext) {
    const db = new DatabaseSync(':memory:');
    db.exec(noticeTables);
    this.book = new NoticeBook(db);
    assert.equal(this.scene.rent(1, 7_200), undefined);
    const { grid, ada } = this.scene;
    this.keeper = new NoticeKeeper({
      ...{ bot: ada.id, book: this.book, clock: this.clock, blocked: () => this.blocked },
      grid: {
        now: async () => {
          if (this.isAway) throw new Error('the database is away');
          return { fold: grid.fold, at: grid.at };
        },
        news: (signal) => this.#told(signal),
      },
    });
    t.after(() => this.keeper.close());
  }

  tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  /** Lets time pass, in steps, until that is all that waits to be read. */
  async shows(...codes: string[]): Promise<void> {
    const look = async (): Promise<boolean> => {
      await this.clock.advance(1_000);
      return (
        this.book
          .list({})
          .map(({ code }) => code)
          .join(' ') === codes.join(' ')
      );
    };
    await waitFor(look, { what: codes.join(' '), timeoutMs: 60_000, everyMs: 5 });
  }

  async *#told(signal: AbortSignal): AsyncGenerator<void, void> {
    const ended = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => ended.resolve(), { once: true });
    while (!signal.aborted) {
      await Promise.race([this.#news.promise, ended.promise]);
      yield;
    }
  }
}

test('news are told, by a database that was away too, and are over with the next news', async (t) => {
  const kept = new Kept(t);
  await waitFor(() => kept.book.hasBegun, { what: 'the first look', timeoutMs: 60_000 });
  kept.isAway = true;
  kept.scene.at(20);
  kept.tell();
  await kept.clock.advance(5_000);
  kept.isAway = false;
  await kept.shows('NOTICE_UNPAID');
  assert.equal(kept.scene.rent(2, 360, 2), undefined);
  kept.tell();
  await kept.shows();
  assert.equal(kept.book.list({ all: true }).length, 1);
});

test('what time alone makes due is told without news', async (t) => {
  const kept = new Kept(t);
  await waitFor(() => kept.book.hasBegun, { what: 'the first look', timeoutMs: 60_000 });
  // The log says the time when it is asked; until then the keeper has its own clock alone.
  kept.scene.at(19);
  const look = async (): Promise<boolean> => {
    await kept.clock.advance(600_000);
    return kept.book.list({}).some(({ code }) => code === 'NOTICE_PAID_SHORTLY');
  };
  await waitFor(look, { what: 'the notice', timeoutMs: 60_000, everyMs: 5 });
  // No look came sooner, and one came then.
  const lookedMs = kept.clock.monotonicMs();
  assert.ok(lookedMs >= 18 * 3_600_000 && lookedMs < 22 * 3_600_000, String(lookedMs));
});

test('what a controller waits for is told once it lasts, though no record says it', async (t) => {
  const kept = new Kept(t);
  await kept.shows();
  const reason = { message: 'why', hint: 'do that', slots: [], code: 'HEAL_MONEY' as const };
  kept.blocked = [{ contract: kept.scene.plan.id, name: 'shop', blocked: [reason] }];
  kept.keeper.look();
  await kept.shows('HEAL_MONEY');
  kept.blocked = [];
  kept.keeper.look();
  await kept.shows();
});
