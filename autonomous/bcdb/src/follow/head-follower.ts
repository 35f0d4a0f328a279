import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  closeOnce,
  readTextIfThere,
  GridError,
  isGridError,
  silentLogger,
  systemClock,
  writeFileAtomic,
} from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import { Evidence } from '../sequencer/evidence.ts';
import type { Trust, VerifiedHead } from '../tree/verifier.ts';
import { branchGivenUp, extendedTrust, freePath, isKept } from './handed-over.ts';
import { HeadCheck, requireFreshHead, requireShownHead } from './head-check.ts';
import type { SeenHead, ShownHead } from './head-check.ts';
import type { HeadSource } from './head-source.ts';
import { Rounds } from './rounds.ts';

export interface HeadFollowerOptions {
  /** Folder of the follower; made when missing. */
  readonly dataDir: string;
  /** From a join token or a recovery card. */
  readonly trust: Trust;
  readonly source: HeadSource;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/**
 * Keeps the newest head of a log and nothing else: enough to hold everything that anybody shows later
 * to what the sequencer signed, and to notice that the log was cut, forked or frozen.
 *
 * What shows that the sequencer contradicts itself is kept as evidence and halts it; any other lie may
 * be the source's, and the next round may be better. A handover of the log ends a halt; where the head
 * that is kept was given up with it, that is told once, and the next round begins anew.
 */
export class HeadFollower implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: HeadFollowerOptions;
  #trust: Trust;
  #check: HeadCheck;
  readonly #evidence: Evidence;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #rounds: Rounds;
  #seen: SeenHead | undefined;
  #problem: GridError | undefined;
  #isHalted: boolean;

  private constructor(options: HeadFollowerOptions, evidence: Evidence, kept: Kept) {
    const { trust, clock = systemClock, logger = silentLogger } = options;
    this.#options = options;
    this.#trust = extendedTrust(trust, kept.succession, logger);
    this.#check = new HeadCheck(this.#trust);
    this.#evidence = evidence;
    this.#clock = clock;
    this.#logger = logger;
    const { note } = kept;
    const wasGivenUp = (one: string): boolean =>
      this.#trust.handovers !== undefined && !isKept(one, this.#trust);
    if (note !== undefined && !wasGivenUp(note)) {
      this.#seen = this.#check.take({ checkpoint: note, consistency: [] }, undefined);
    }
    this.#problem = kept.halt;
    this.#isHalted = kept.halt !== undefined;
    this.#rounds = new Rounds({
      clock,
      run: async ({ signal }) => {
        await this.#sync(signal);
        return false;
      },
    });
    this.close = closeOnce(() => this.#rounds.close());
  }

  /** Goes on where the folder's follower ended. @throws BCDB_OTHER_LOG, BCDB_NOTE_INVALID */
  static async open(options: HeadFollowerOptions): Promise<HeadFollower> {
    const { dataDir, logger = silentLogger } = options;
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const evidence = await Evidence.open(join(dataDir, 'evidence'), logger);
    return new HeadFollower(options, evidence, await readKept(dataDir));
  }

  /** The newest head that was verified; undefined before the first round. */
  get head(): VerifiedHead | undefined {
    return this.#seen?.head;
  }

  /** Its signed note: whoever holds another one of that size can prove a fork with both. */
  get note(): string | undefined {
    return this.#seen?.note;
  }

  /** Why the head is not to be relied on: the last round was lied to, or it halted. */
  get problem(): GridError | undefined {
    return this.#problem;
  }

  /** Whether it takes no other head unless the log is handed over: see the evidence. */
  get isHalted(): boolean {
    return this.#isHalted;
  }

  /**
   * That the head was the newest a short while ago.
   * @throws BCDB_VIEW_STALE, and what `problem` holds
   */
  requireFresh(ageMaxSeconds: number): void {
    if (this.#problem !== undefined) throw this.#problem;
    requireFreshHead(this.head?.timestamp, ageMaxSeconds, this.#clock.nowMs());
  }

  /** Rounds without end; resolves when it halts or the signal fires. */
  async follow({
    signal,
    everyMs = followEveryMs,
  }: {
    readonly signal: AbortSignal;
    /** Time from one round to the next. Default 10 s. */
    readonly everyMs?: number;
  }): Promise<void> {
    for await (const failure of this.#rounds.each({ signal, everyMs })) {
      if (failure !== undefined)
        this.#logger.warn({ err: failure }, 'the log cannot be followed now');
      if (this.#isHalted) return;
    }
  }

  /**
   * One round: asks for the newest head. Rounds that are asked for at one time are one.
   * @throws BCDB_LOG_FORKED, BCDB_LOG_ROLLED_BACK, BCDB_HANDED_OVER, BCDB_REPLY_INVALID, what the verifier throws, and
   * what the source throws
   */
  async sync({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#rounds.one({ signal });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const halt = this.#isHalted ? this.#problem : undefined;
    if (halt !== undefined && !(await this.#learn(signal))) throw halt;
    try {
      const seen = this.#seen;
      const answer = await this.#options.source.head(seen?.head.size ?? 0, signal);
      const next = await this.#taken(requireShownHead(answer), signal);
      if (next !== seen) await this.#write(noteFile, next.note);
      this.#seen = next;
      this.#problem = undefined;
    } catch (error) {
      if (isGridError(error)) await this.#judge(error);
      throw error;
    }
  }

  /** A key that is not known may be one that the log was handed over to. */
  async #taken(shown: ShownHead, signal: AbortSignal): Promise<SeenHead> {
    try {
      return await this.#continued(shown);
    } catch (error) {
      if (!isGridError(error, 'BCDB_CHECKPOINT_UNSIGNED')) throw error;
      if (!(await this.#learn(signal))) throw error;
      return this.#continued(shown);
    }
  }

  /** The former key forked the log, and the head that is kept is of the other branch. */
  async #continued(shown: ShownHead): Promise<SeenHead> {
    try {
      return this.#check.take(shown, this.#seen);
    } catch (error) {
      if (!isGridError(error, 'BCDB_HANDED_OVER')) throw error;
      const note = this.#seen?.note;
      await this.#forget();
      throw this.#givenUp(note);
    }
  }

  /**
   * Whether the source shows handovers that were not known here.
   * @throws BCDB_HANDED_OVER when it begins anew
   */
  async #learn(signal: AbortSignal): Promise<boolean> {
    const succession = await this.#options.source.succession(signal);
    const trust = extendedTrust(this.#trust, succession, this.#logger);
    if (trust === this.#trust) return false;
    this.#trust = trust;
    this.#check = new HeadCheck(trust);
    const note = this.#seen?.note;
    const isSound = !this.#isHalted && (note === undefined || isKept(note, trust));
    // Killed in between it has forgotten, and learns again.
    if (!isSound) await this.#forget();
    await this.#write(successionFile, JSON.stringify(succession));
    if (isSound) return true;
    throw this.#givenUp(note);
  }

  #givenUp(note: string | undefined): GridError {
    const hint = 'the next round begins anew; the head that was given up is kept beside';
    this.#problem = branchGivenUp(hint, note, this.#trust);
    return this.#problem;
  }

  async #forget(): Promise<void> {
    const { dataDir } = this.#options;
    const file = join(dataDir, noteFile);
    if (existsSync(file)) await rename(file, freePath(`${file}.given-up`));
    await rm(join(dataDir, haltFile), { force: true });
    this.#seen = undefined;
    this.#isHalted = false;
  }

  /** What an error says about the source, and about the log. */
  async #judge(error: GridError): Promise<void> {
    if (!lies.has(error.code)) return;
    // One that goes on lying is told of once.
    if (this.#problem?.code !== error.code) {
      this.#logger.error({ err: error }, 'the source of the heads does not tell the truth');
      this.#evidence.keepContradiction(error, this.#seen?.note ?? '');
    }
    this.#problem = error;
    if (error.details['isProven'] !== true) return;
    this.#isHalted = true;
    const { code, message } = error;
    await this.#write(haltFile, JSON.stringify({ code, message }));
  }

  #write(name: string, text: string): Promise<void> {
    return writeFileAtomic(join(this.#options.dataDir, name), text, { mode: 0o600 });
  }
}

/** Time from one round to the next, ms. Who needs a newer head asks for a round. */
const followEveryMs = 10_000;

const noteFile = 'checkpoint';
const haltFile = 'halted.json';
const successionFile = 'succession.json';

/** What no honest source says. */
const lies: ReadonlySet<string> = new Set<BcdbErrorCode>([
  'BCDB_CHECKPOINT_UNSIGNED',
  'BCDB_LOG_FORKED',
  'BCDB_LOG_ROLLED_BACK',
  'BCDB_NOTE_INVALID',
  'BCDB_OTHER_LOG',
]);

/** What a folder holds. */
interface Kept {
  readonly note: string | undefined;
  readonly halt: GridError | undefined;
  /** Parsed JSON of a `Succession`; undefined while the log has its first key. */
  readonly succession: unknown;
}

async function readKept(dataDir: string): Promise<Kept> {
  const [note, halt, known] = await Promise.all(
    [noteFile, haltFile, successionFile].map((name) => readTextIfThere(join(dataDir, name))),
  );
  const succession: unknown = known === undefined ? undefined : JSON.parse(known);
  if (halt === undefined) return { note, halt, succession };
  const { code, message } = JSON.parse(halt) as { code: BcdbErrorCode; message: string };
  const hint = 'see the evidence in its folder';
  return { note, halt: new GridError<BcdbErrorCode>(code, message, { hint }), succession };
}
