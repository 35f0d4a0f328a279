import { AuthPace, pacePauseMsMax } from '@commongrid/base';
import type { Clock, Timer } from '@commongrid/base';
import type { RespConnection } from '@commongrid/resp';
import { Crowd, type Member } from './crowd.ts';
import { replyTexts } from './reply-texts.ts';

/**
 * How far a connection came: nowhere (`stranger`), to what is open to all (`guest`), or it showed a
 * password (`known`, and everybody where none is set).
 */
export type Standing = 'stranger' | 'guest' | 'known';

/** What it needs to know of a visitor. */
export interface Visitor extends Member {
  standing: Standing;
  readonly connection: Pick<RespConnection, 'push' | 'close' | 'destroy'>;
}

export interface DoorkeeperOptions {
  readonly clock: Clock;
  /** A stranger leaves after so long. */
  readonly timeoutMs: number;
  /** Strangers at a time. */
  readonly strangersMax: number;
}

/** Keeps those who showed no password from taking the places of those who did, and from guessing. */
export class Doorkeeper {
  readonly pace: AuthPace;
  /** Wrong passwords and proofs. */
  failures = 0;
  /** Strangers and guests that were closed: too late, or for others. */
  sentAway = 0;
  readonly #options: DoorkeeperOptions;
  readonly #strangers = new Crowd<Visitor>();
  readonly #guests = new Crowd<Visitor>();
  readonly #timers = new Map<Visitor, Timer>();

  constructor(options: DoorkeeperOptions) {
    this.#options = options;
    this.pace = new AuthPace(options.clock);
  }

  get strangers(): number {
    return this.#strangers.size;
  }

  arrived(visitor: Visitor): void {
    if (visitor.standing === 'known') return;
    const { strangersMax, timeoutMs } = this.#options;
    if (this.#strangers.size >= strangersMax) this.#sendAway(this.#strangers.first());
    this.#strangers.add(visitor);
    this.#expire(visitor, timeoutMs);
  }

  /** A standing is never lost: who showed a password once is no danger to the others. */
  rises(visitor: Visitor, to: 'guest' | 'known'): void {
    if (visitor.standing === to || visitor.standing === 'known') return;
    this.left(visitor);
    visitor.standing = to;
    if (to === 'guest') this.#guests.add(visitor);
  }

  left(visitor: Visitor): void {
    this.#strangers.delete(visitor);
    this.#guests.delete(visitor);
    this.#timers.get(visitor)?.cancel();
    this.#timers.delete(visitor);
  }

  /** All places of the server are taken: false when by those who showed a password. */
  makeRoom(): boolean {
    return this.#sendAway(this.#strangers.first() ?? this.#guests.first());
  }

  /** At once: one that lingers to read the reason would keep its place. */
  #sendAway(visitor: Visitor | undefined): boolean {
    if (visitor === undefined) return false;
    this.left(visitor);
    this.sentAway++;
    visitor.connection.destroy();
    return true;
  }

  #expire(visitor: Visitor, inMs: number): void {
    const timer = this.#options.clock.setTimer(inMs, () => {
      // It showed one in time, and waits for us.
      if (visitor.isBusy) this.#expire(visitor, pacePauseMsMax);
      else this.#tooLate(visitor);
    });
    this.#timers.set(visitor, timer);
  }

  #tooLate(visitor: Visitor): void {
    const { connection } = visitor;
    this.left(visitor);
    this.sentAway++;
    connection.push((reply) => reply.error(replyTexts.authenticationLate));
    connection.close();
  }
}
