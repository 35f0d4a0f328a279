import { closeOnce, ControlSocket, Mutex, repeat, systemClock, TaskGroup } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { GridHome } from '../home.ts';
import { DoorBook } from './door-book.ts';
import type { DoorRecord } from './door-book.ts';
import { DoorCounts } from './door-counts.ts';
import { formerPlaces, planDoors } from './door-plan.ts';
import type { FormerPlace } from './door-plan.ts';
import { Doors } from './doors.ts';
import type { Endpoint } from './endpoint.ts';
import { followBots } from './follow-bots.ts';
import type { FrontDoorReport } from './front-door-report.ts';

export interface FrontDoorOptions {
  readonly home: GridHome;
  readonly logger: Logger;
}

/** How often machines in use are looked at, ms. */
const lookEveryMs = 1_000;

/**
 * Gives unmodified clients one address of this machine for each port that a role of a contract publishes. It asks the
 * bots of the machine where that runs; while one does not answer, what it said last counts.
 */
export class FrontDoor implements AsyncDisposable {
  readonly counts: DoorCounts;
  readonly close: () => Promise<void>;
  readonly #options: FrontDoorOptions;
  readonly #book: DoorBook;
  readonly #doors: Doors;
  readonly #turn = new Mutex();
  /** What each bot said last. */
  readonly #bots: Map<string, readonly Endpoint[]>;
  #former: ReadonlyMap<string, FormerPlace> = new Map();
  #stack = new AsyncDisposableStack();

  private constructor(options: FrontDoorOptions, book: DoorBook, record: DoorRecord) {
    this.#options = options;
    this.#book = book;
    this.#bots = new Map(Object.entries(record.bots));
    this.counts = new DoorCounts();
    this.#doors = new Doors({ ...options, counts: this.counts, ports: record.ports });
    this.close = closeOnce(() => this.#stack.disposeAsync());
  }

  /** With the doors of before. Of one home there is one at a time: its supervisor sees to that. */
  static async open(options: FrontDoorOptions): Promise<FrontDoor> {
    await using stack = new AsyncDisposableStack();
    const { home, logger } = options;
    const { book, record } = await DoorBook.open(home.frontDoor, logger);
    const front = new FrontDoor(options, book, record);
    stack.use(front.#doors);
    await front.#settle();
    const onError = (err: unknown, name?: string): void =>
      logger.error({ err, name }, 'a part of the front door failed');
    const tasks = stack.use(new TaskGroup({ onError }));
    tasks.start('bots', (signal) => front.#follow(signal));
    tasks.start('looks', (signal) =>
      repeat(lookEveryMs, () => front.#doors.look(), { signal, onError }),
    );
    stack.use(
      await ControlSocket.open({
        ...{ path: home.frontDoorControlSocket, logger },
        actions: { status: async () => front.report() },
      }),
    );
    front.#stack = stack.move();
    return front;
  }

  report(): FrontDoorReport {
    return { doors: this.#doors.report() };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #follow(signal: AbortSignal): Promise<void> {
    const { home, logger } = this.#options;
    return followBots({
      ...{ home, signal, logger },
      onNews: (bot, { endpoints }) => this.#turn.run(() => this.#hear(bot, endpoints)),
      onBots: (names) =>
        this.#turn.run(async () => {
          for (const bot of this.#bots.keys()) if (!names.includes(bot)) this.#bots.delete(bot);
          await this.#settle();
        }),
    });
  }

  async #hear(bot: string, endpoints: readonly Endpoint[]): Promise<void> {
    const before = this.#endpoints;
    this.#bots.set(bot, endpoints);
    const nowMs = systemClock.monotonicMs();
    this.#former = formerPlaces(before, this.#endpoints, this.#former, nowMs);
    await this.#settle();
  }

  async #settle(): Promise<void> {
    await this.#doors.settle(planDoors(this.#endpoints, this.#former));
    await this.#book.keep({ bots: Object.fromEntries(this.#bots), ports: this.#doors.ports });
  }

  get #endpoints(): readonly Endpoint[] {
    return [...this.#bots.values()].flat();
  }
}
