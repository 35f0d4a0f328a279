import assert from 'node:assert/strict';
import { join } from 'node:path';
import { isGridError } from '@commongrid/base';
import { ManualClock, tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { GridFold } from '@commongrid/model';
import type { BotId, GridRecord, NodeId, ReaderId } from '@commongrid/model';
import { Bcdb } from '../bcdb.ts';
import { LightFollower } from '../follow/light-follower.ts';
import { ticked, Town, TownSource } from './feeds-town.ts';

export interface TimedTownParts {
  readonly folder: string;
  readonly clock: ManualClock;
  readonly bcdb: Bcdb;
  readonly town: Town;
  readonly opened: AsyncDisposableStack;
}

/** A town in a folder of its own, whose time stands still until a test moves it. */
export class TimedTown implements AsyncDisposable {
  readonly folder: string;
  readonly clock: ManualClock;
  readonly bcdb: Bcdb;
  readonly town: Town;
  readonly source: TownSource;
  readonly #opened: AsyncDisposableStack;

  protected constructor({ folder, clock, bcdb, town, opened }: TimedTownParts) {
    this.folder = folder;
    this.clock = clock;
    this.bcdb = bcdb;
    this.town = town;
    this.source = new TownSource(bcdb);
    this.#opened = opened;
  }

  static async founded(): Promise<TimedTownParts> {
    await using opened = new AsyncDisposableStack();
    const { path: folder } = opened.use(await tempFolder());
    const clock = new ManualClock(1_800_000_000_000);
    const owner = SigningKey.generate();
    const bcdb = opened.use(await Bcdb.open({ dataDir: join(folder, 'log'), owner, clock }));
    return { folder, clock, bcdb, town: await Town.found(bcdb), opened: opened.move() };
  }

  static async open(): Promise<TimedTown> {
    return new TimedTown(await TimedTown.founded());
  }

  /** Lets a tick come after the records. */
  async tick(): Promise<void> {
    await this.clock.advance(1500);
    await ticked(this.bcdb);
  }

  followAs(name: string, reader: ReaderId): Promise<LightFollower> {
    const { log, genesis } = this.bcdb;
    const trust = { log, sequencerKey: genesis.sequencer };
    const dataDir = this.dirOf(name);
    return LightFollower.open({ dataDir, trust, reader, source: this.source, clock: this.clock });
  }

  dirOf(name: string): string {
    return join(this.folder, name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}

/** What a reader makes of all that its follower has, in whatever order it comes. */
export function foldOf(
  { log, genesis }: Bcdb,
  follower: LightFollower,
  reader: BotId | NodeId,
): GridFold {
  const fold = new GridFold({ log, releaseKeys: genesis.releaseKeys, reader });
  const records: GridRecord[] = [...follower.changes(0)].flatMap(({ seq, at, changes }) =>
    changes.map((change) => ({ seq, at, ...change })),
  );
  fold.add(records.slice(records.length / 2));
  fold.add(records);
  return fold;
}

/** The code of the rule that a record breaks; undefined when it was let in. */
export function broken(said: Promise<unknown>): Promise<unknown> {
  return said.then(
    () => undefined,
    (error: unknown) => {
      assert.ok(isGridError(error, 'BCDB_RULE_BROKEN'), String(error));
      return error.details['rule'];
    },
  );
}
