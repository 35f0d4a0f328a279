import { closeOnce, isGridError, repeat, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, GridError, Logger } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import type { NodeId } from '@commongrid/model';
import { heartbeat } from '../presence/heartbeat.ts';
import { unknownEpoch } from '../presence/signed-message.ts';
import type { TreeHead } from '../record/envelope.ts';
import { MessageLink } from './message-link.ts';
import { toGridError } from './wire-error.ts';

export interface HeartbeatSenderOptions {
  /** Address of the HTTP door. */
  readonly url: string;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  readonly node: NodeId;
  /** Key of the node. */
  readonly key: SigningKey;
  /** The node's newest session in the log, and its `bootId`. */
  readonly session: number;
  readonly boot: string;
  /** The newest head that the node has verified: that of its follower. Nothing is sent without one. */
  readonly checkpoint: () => TreeHead | undefined;
  /** From one heartbeat to the next, ms. Default 1000: silence of 3 s makes a node suspect. */
  readonly everyMs?: number;
  /** How long an answer may take, ms; the next heartbeat waits for it. Default 2000. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/**
 * Says that a node lives, over and over. A heartbeat that is lost is not sent again; the next one
 * makes up for it. Another run of the sequencer, and counters of an earlier process in the same
 * session, are learned from refusals.
 */
export class HeartbeatSender implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: HeartbeatSenderOptions;
  readonly #clock: Clock;
  readonly #link: MessageLink;
  readonly #stop = new AbortController();
  #epoch = unknownEpoch;
  #counter = 0;
  #takenAtMs: number | undefined;
  #problem: GridError | undefined;

  constructor(options: HeartbeatSenderOptions) {
    const { url, everyMs = 1000, timeoutMs = 2000, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#link = new MessageLink(url, timeoutMs);
    const { signal } = this.#stop;
    const beating = repeat(everyMs, () => this.#beat(signal), { signal, clock });
    this.close = closeOnce(async () => {
      this.#stop.abort();
      await beating;
    });
  }

  /** Why the last heartbeat did not count; undefined when it did, or none was sent yet. */
  get problem(): GridError | undefined {
    return this.#problem;
  }

  /** Time since the last heartbeat that counted was sent, ms; undefined before the first one. */
  get silentMs(): number | undefined {
    if (this.#takenAtMs === undefined) return undefined;
    return this.#clock.monotonicMs() - this.#takenAtMs;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #beat(signal: AbortSignal): Promise<void> {
    // The first refusal can tell the epoch, and the next one the counter.
    for (let tries = 0; tries < triesMax; tries++) {
      const sentAtMs = this.#clock.monotonicMs();
      try {
        if (!(await this.#send(signal))) return;
        this.#takenAtMs = sentAtMs;
        this.#problem = undefined;
        return;
      } catch (error) {
        const known = toGridError(error, signal);
        if (signal.aborted) return;
        if (this.#learn(known)) continue;
        this.#note(known);
        return;
      }
    }
  }

  /** Whether there was anything to send. */
  async #send(signal: AbortSignal): Promise<boolean> {
    const { log, node, key, session, boot, checkpoint: headOf } = this.#options;
    const head = headOf();
    if (head === undefined) return false;
    const counter = ++this.#counter;
    const checkpoint = { size: head.size, root: head.root };
    const at = Math.floor(this.#clock.nowMs());
    const said = { log, node, session, boot, epoch: this.#epoch, counter, checkpoint, at };
    await this.#link.send('/v1/heartbeats', heartbeat.sign(key, said), signal);
    return true;
  }

  /** Whether a refusal says how to do better at once. */
  #learn(error: GridError): boolean {
    const { epoch, session, counter } = error.details;
    if (isGridError(error, 'BCDB_EPOCH_OVER')) {
      const isNews = typeof epoch === 'string' && epochPattern.test(epoch) && epoch !== this.#epoch;
      if (isNews) this.#epoch = epoch;
      return isNews;
    }
    // Only ahead of the first that counts: later it is a twin, and both must not outrun each other.
    const isFirst = this.#takenAtMs === undefined && session === this.#options.session;
    if (!isGridError(error, 'BCDB_HEARTBEAT_STALE') || !isFirst) return false;
    const isNews = Number.isSafeInteger(counter) && Number(counter) >= this.#counter;
    if (isNews) this.#counter = Number(counter);
    return isNews;
  }

  /** Tells of a trouble once, however long it lasts. */
  #note(error: GridError): void {
    const { logger = silentLogger } = this.#options;
    if (error.code !== this.#problem?.code)
      logger.warn({ err: error }, 'a heartbeat did not count');
    this.#problem = error;
  }
}

/** Heartbeats of one round: one that counts, and those that learn how. */
const triesMax = 3;

const epochPattern = /^[A-Za-z0-9_-]{21}[AQgw]$/;
