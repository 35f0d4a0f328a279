import type { Clock, Timer } from '@commongrid/base';

export interface ConfirmationOptions {
  /** Replies wait until the disk here has what they show; otherwise until its file has it. */
  readonly awaitsDisk: boolean;
  /** How long to wait for replicas after a record is on disk here. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Replies that hold a ticket up to this one may leave. */
  readonly onConfirmed: (ticket: number) => void;
  /** Replies that hold a ticket up to this one were not confirmed in time: they leave as errors. */
  readonly onExpired: (ticket: number) => void;
}

/** Waiting records are timed in steps of this: so many marks are kept for each second. */
const MARK_MS = 50;

/**
 * How far replies may reveal the log: to where it is on disk here and on enough replicas. What was not
 * confirmed in time is given up: it does not hold up those who come later, and it may well be confirmed
 * after all.
 *
 * Replies wait with tickets, which only rise. Sequences can begin again further down, when a log is cut:
 * a ticket is a sequence plus what was cut so far.
 */
export class Confirmation {
  readonly #options: ConfirmationOptions;
  readonly #acknowledged = new Map<string, number>();
  readonly #marks: { sequence: number; readonly atMs: number }[] = [];
  #minReplicas = 0;
  #durable: number;
  #written: number;
  #replicated = Infinity;
  #confirmed: number;
  #ticketBase = 0;
  #released = 0;
  #timer: Timer | undefined;

  constructor(options: ConfirmationOptions, durable: number) {
    this.#options = options;
    this.#durable = durable;
    this.#written = durable;
    this.#confirmed = this.#reached;
  }

  /** The last sequence that any reply may show. */
  get confirmed(): number {
    return this.#confirmed;
  }

  /** The ticket that a reply needs which shows this record. */
  ticketOf(sequence: number): number {
    return sequence + this.#ticketBase;
  }

  /** Replicas that must have a record on disk too; 0 = none. */
  get minReplicas(): number {
    return this.#minReplicas;
  }

  get #reached(): number {
    return Math.min(this.#options.awaitsDisk ? this.#durable : this.#written, this.#replicated);
  }

  /**
   * Another log or another part in replication begins, on disk up to `durable`, in files up to `written`:
   * what came before counts as confirmed, replies that still wait for replicas do so in vain.
   */
  begin(durable: number, minReplicas: number, written: number = durable): void {
    if (this.#replicated < this.#durable) this.#options.onExpired(this.#release(this.#durable));
    this.#acknowledged.clear();
    this.#marks.length = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#durable = durable;
    this.#written = written;
    this.#minReplicas = minReplicas;
    this.#replicated = minReplicas > 0 ? durable : Infinity;
    this.#ticketBase = Math.max(this.#ticketBase, this.#released - durable);
    this.#confirmed = this.#reached;
  }

  /** The log is on disk here up to this sequence. */
  durable(sequence: number): void {
    this.#durable = sequence;
    if (this.#minReplicas > 0) this.#mark(sequence);
    this.#advance();
  }

  /** The log is in files here up to this sequence. */
  written(sequence: number): void {
    this.#written = sequence;
    if (!this.#options.awaitsDisk) this.#advance();
  }

  /** A replica has the log on disk up to this sequence. */
  acknowledged(replica: string, sequence: number): void {
    this.#acknowledged.set(replica, sequence);
    const needed = this.#minReplicas;
    if (needed === 0 || this.#acknowledged.size < needed) return;
    const sorted = [...this.#acknowledged.values()].sort((a, b) => b - a);
    this.#replicated = Math.max(this.#replicated, sorted[needed - 1] ?? 0);
    this.#advance();
  }

  /** A replica is gone; what it has confirmed stays so. */
  left(replica: string): void {
    this.#acknowledged.delete(replica);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#marks.length = 0;
  }

  #advance(): void {
    while (this.#marks[0] !== undefined && this.#marks[0].sequence <= this.#replicated) {
      this.#marks.shift();
    }
    const reached = this.#reached;
    if (reached <= this.#confirmed) return;
    this.#confirmed = reached;
    this.#options.onConfirmed(this.#release(reached));
  }

  #release(sequence: number): number {
    this.#released = Math.max(this.#released, this.ticketOf(sequence));
    return this.#released;
  }

  #mark(sequence: number): void {
    if (sequence <= this.#replicated) return;
    const nowMs = this.#options.clock.monotonicMs();
    const last = this.#marks.at(-1);
    if (last !== undefined && nowMs - last.atMs < MARK_MS) last.sequence = sequence;
    else this.#marks.push({ sequence, atMs: nowMs });
    this.#startTimer(nowMs);
  }

  /** Nothing waits, no timer runs. A mark holds what came within a step: all of it gets its time. */
  #startTimer(nowMs: number): void {
    const [first] = this.#marks;
    if (first === undefined || this.#timer !== undefined) return;
    const { clock, timeoutMs } = this.#options;
    const dueMs = first.atMs + MARK_MS + timeoutMs - nowMs;
    this.#timer = clock.setTimer(Math.max(0, dueMs), () => this.#expire());
  }

  #expire(): void {
    this.#timer = undefined;
    const { clock, timeoutMs, onExpired } = this.#options;
    const nowMs = clock.monotonicMs();
    let givenUp = 0;
    while (this.#marks[0] !== undefined && nowMs - this.#marks[0].atMs >= MARK_MS + timeoutMs) {
      givenUp = this.#marks.shift()?.sequence ?? givenUp;
    }
    if (givenUp > this.#replicated) {
      this.#replicated = givenUp;
      this.#confirmed = this.#reached;
      onExpired(this.#release(givenUp));
    }
    this.#startTimer(nowMs);
  }
}
