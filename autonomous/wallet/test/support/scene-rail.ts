import { GridFold } from '@commongrid/model';
import type { BotId, GridRecord, RecordOf, WalletUrl } from '@commongrid/model';
import { fakeProof } from '@commongrid/model/testing';
import type { Actor, WalletScene } from '@commongrid/model/testing';
import type { LedgerView, Rail } from '../../src/rail.ts';

/** Stands for the end of a program: whoever has it as a cause knows nothing of what was done. */
export class Killed extends Error {}

/** Ends a program at its n-th step. */
export class Reaper {
  left = Infinity;
  kills = 0;
  losesAnswer: () => boolean = () => false;

  step(): void {
    if (--this.left > 0) return;
    this.left = Infinity;
    this.kills++;
    throw new Killed('the program was killed');
  }
}

/** A rail over the rules alone: what they refuse is refused, and what they take is there for good. */
export class SceneRail implements Rail {
  readonly log: string;
  readonly bot: BotId;
  readonly #scene: WalletScene;
  readonly #who: Actor;
  readonly #reaper: Reaper;
  /** As a bot that follows the log alone has it; one that begins anew reads all of it again. */
  readonly #fold: GridFold;
  /** Nothing that its program does after its end has an effect. */
  #isDead = false;

  constructor(scene: WalletScene, who: Actor, reaper = new Reaper()) {
    this.log = scene.grid.log;
    this.bot = who.id;
    this.#scene = scene;
    this.#who = who;
    this.#reaper = reaper;
    this.#fold = new GridFold({
      ...{ log: this.log, releaseKeys: [], reader: who.id },
      isProof: (key, payload, signature) => signature === fakeProof(key, payload),
    });
  }

  async sync(): Promise<LedgerView> {
    this.#step();
    const { grid } = this.#scene;
    const taken = grid.records.filter(({ seq }: GridRecord) => !grid.fold.refusals.has(seq));
    this.#fold.add(taken);
    return { fold: this.#fold, at: grid.at };
  }

  syncAccount(): Promise<LedgerView> {
    return this.sync();
  }

  async say<Url extends WalletUrl>(url: Url, value: RecordOf<Url>): Promise<void> {
    // Killed before it was sent, or after it was taken and before the answer came.
    this.#step();
    const { code } = this.#scene.grid.put(url, this.#who.device, value);
    this.#step();
    if (code !== undefined) throw new Error(`the rules refuse it: ${code}`);
    if (this.#reaper.losesAnswer()) throw new Error('no answer came');
  }

  #step(): void {
    if (this.#isDead) throw new Killed('it was killed before');
    try {
      this.#reaper.step();
    } catch (error) {
      this.#isDead = true;
      throw error;
    }
  }
}
