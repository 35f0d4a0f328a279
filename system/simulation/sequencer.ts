import { GridError, silentLogger } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { LeaseTable, PresenceTable, renewal, SummaryWriter } from '@commongrid/bcdb/testing';
import type { JsonValue } from '@commongrid/crypto';
import { GridFold, maySpeak, recordTypes } from '@commongrid/model';
import type {
  GridRecord,
  NodeId,
  Presence,
  ReaderId,
  RecordOf,
  RecordUrl,
} from '@commongrid/model';
import { fakeId, fakeProof } from '@commongrid/model/testing';
import { Feeds } from './feeds.ts';
import { Machine, soundClock } from './machine.ts';
import type { ClockFault } from './machine.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a reader is told at one moment. */
export interface FeedAnswer {
  readonly records: readonly GridRecord[];
  /** How many records of the feed the reader has then. */
  readonly count: number;
  /** Log time, ms since 1970. */
  readonly at: number;
  /** The sequencer's wall clock when it signed this, s since 1970. */
  readonly timestamp: number;
}

/** What a node says each second. */
export interface Beat {
  readonly epoch: string;
  readonly node: NodeId;
  readonly session: number;
  readonly bootId: string;
  readonly counter: number;
  readonly at: number;
}

export interface SequencerOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly clock?: ClockFault;
  /** Silence after which a node is suspect, and gone, ms. */
  readonly suspectAfterMs: number;
  readonly goneAfterMs: number;
  /** How often presence of a node is logged, ms. */
  readonly summaryEveryMs: number;
}

/** What one run of the sequencer has in memory. */
interface Run {
  readonly epoch: string;
  readonly presence: PresenceTable;
  readonly leases: LeaseTable;
  readonly summaries: SummaryWriter;
}

const log = fakeId.hash(0);
const author = fakeId.key(999_999);

/**
 * The database of a simulated grid: the log with its rules, the feeds, and what BCDB knows of nodes and
 * leases while it runs. What it appended outlives a crash; what it holds in memory does not.
 */
export class Sequencer {
  readonly log = log;
  readonly machine: Machine;
  readonly fold = new GridFold({
    ...{ log, releaseKeys: [] },
    isProof: (key, payload, signature) => signature === fakeProof(key, payload),
  });
  readonly feeds = new Feeds(this.fold);
  /** Called with each record that took effect. */
  onRecord: (record: GridRecord) => void = () => {};
  readonly #options: SequencerOptions;
  readonly #waiting = new Map<ReaderId, Set<() => void>>();
  #size = 0;
  #at = 0;
  #run: Run;

  constructor(options: SequencerOptions) {
    this.#options = options;
    this.machine = new Machine('sequencer', options.time, options.clock ?? soundClock);
    this.#run = this.#begin();
  }

  /** Log time, ms since 1970: as a tick would say it now. */
  get at(): number {
    this.#at = Math.max(this.#at, this.machine.nowMs());
    return this.#at;
  }

  /** Records that were appended, those without effect among them. */
  get size(): number {
    return this.#size;
  }

  get epoch(): string {
    return this.#run.epoch;
  }

  get presence(): PresenceTable {
    return this.#run.presence;
  }

  /** Loses what is in memory, until `restart`. */
  crash(): void {
    this.#run.presence.close();
    this.machine.turnOff();
    this.#waiting.clear();
  }

  /** @param clock as somebody set it meanwhile */
  restart(clock?: ClockFault): void {
    this.machine.turnOn();
    if (clock !== undefined) this.machine.setClock(clock);
    this.#run = this.#begin();
  }

  /** Appends a record under the id that its payload says, as `append`. */
  put<Url extends RecordUrl>(url: Url, key: string, value: RecordOf<Url>): void {
    const obj = recordTypes.get(url)?.objectOf(value) ?? '';
    this.append({ url, author: key, obj, op: 'put', value });
  }

  /**
   * Appends a record that the rules accept. The newest version of an object said again is the record
   * that is there.
   * @throws BCDB_RULE_BROKEN with `details.rule`, BCDB_LEASE_HELD
   */
  append(said: Omit<GridRecord, 'seq' | 'at'>): void {
    const envelope = { ns: namespaceOf(said.url), url: said.url, obj: said.obj };
    const held = this.#run.leases.admit({ envelope, value: said.value as JsonValue });
    if (held !== undefined) throw held;
    const record: GridRecord = { ...said, seq: this.#size, at: this.at };
    const audience = this.feeds.audienceOf(record);
    this.#size++;
    this.fold.add([record]);
    const rule = this.fold.refusals.get(record.seq);
    if (rule !== undefined) {
      throw new GridError('BCDB_RULE_BROKEN', `${rule}: ${said.url} ${said.obj}`, {
        details: { rule },
      });
    }
    this.feeds.take(record, audience);
    if (said.url === 'grid.lease.1') {
      this.#run.leases.follow([said.value as RecordOf<'grid.lease.1'>], this.#size);
    }
    this.onRecord(record);
    for (const reader of audience.readers) this.#wake(reader);
  }

  /** What a reader that has `count` records of its feed is not told yet. */
  read(reader: ReaderId, count: number): FeedAnswer {
    const feed = this.feeds.of(reader);
    const timestamp = this.machine.nowMs() / 1000;
    return { records: feed.slice(count), count: feed.length, at: this.at, timestamp };
  }

  /** As `read`, but waits for news for so long. */
  async readNews(reader: ReaderId, count: number, waitMs: number): Promise<FeedAnswer> {
    if (this.feeds.of(reader).length === count) await this.#news(reader, waitMs);
    return this.read(reader, count);
  }

  /** @throws BCDB_EPOCH_OVER, BCDB_NODE_UNKNOWN, BCDB_HEARTBEAT_STALE, BCDB_BUSY */
  beat({ epoch, node, session, bootId, counter, at }: Beat): void {
    this.#requireEpoch(epoch);
    const known = this.fold.node(node)?.session;
    if (known?.n !== session || known.bootId !== bootId) {
      throw new GridError('BCDB_NODE_UNKNOWN', `no session ${session} of ${node}`);
    }
    const checkpoint = { size: this.#size, root: log };
    const beat = { log, epoch, node, session, boot: bootId, counter, at, checkpoint };
    this.#run.presence.see(beat);
    this.#run.summaries.see(node, session);
  }

  /** @throws BCDB_EPOCH_OVER, BCDB_LEASE_LOST, BCDB_HEARTBEAT_STALE */
  renew(bytes: Uint8Array): void {
    const message = renewal.read(bytes);
    this.#requireEpoch(message.epoch);
    this.#run.leases.renew(message);
  }

  #requireEpoch(epoch: string): void {
    if (epoch === this.#run.epoch) return;
    throw new GridError('BCDB_EPOCH_OVER', 'the message is for another run of the sequencer', {
      retryable: true,
      details: { epoch: this.#run.epoch },
    });
  }

  #begin(): Run {
    const { random, suspectAfterMs, goneAfterMs, summaryEveryMs } = this.#options;
    const clock = this.machine;
    const presence = new PresenceTable({ clock, suspectAfterMs, goneAfterMs });
    for (const { id } of this.fold.objects('grid.node.1')) {
      const session = this.fold.node(id)?.session;
      if (session !== undefined) presence.assume(id, session.n);
    }
    const leases = new LeaseTable({
      clock,
      maySpeak: (key) => maySpeak(this.fold, key, { seq: this.#size, at: this.at }),
      leaseOf: (name) => {
        const value = this.fold.current('grid.lease.1', name);
        // Appended and durable are one here.
        return value === undefined ? undefined : { seq: -1, value };
      },
    });
    leases.begin(this.fold.objects('grid.lease.1'), this.#size);
    const summaries = new SummaryWriter({
      ...{ clock, logger: silentLogger, everyMs: summaryEveryMs, gapMs: suspectAfterMs },
      loggedToMs: (node) => this.fold.current('grid.presence.1', node)?.toMs ?? 0,
      write: async ({ payload }) => {
        const summary = JSON.parse(new TextDecoder().decode(payload)) as Presence;
        this.put('grid.presence.1', author, summary);
      },
    });
    const epoch = random.bytes(16).toBase64({ alphabet: 'base64url', omitPadding: true });
    return { epoch, presence, leases, summaries };
  }

  async #news(reader: ReaderId, waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.machine.setTimer(waitMs, resolve);
    const waiting = this.#waiting.get(reader) ?? new Set();
    this.#waiting.set(reader, waiting.add(resolve));
    await promise;
    timer.cancel();
    waiting.delete(resolve);
  }

  #wake(reader: ReaderId): void {
    for (const resolve of this.#waiting.get(reader) ?? []) resolve();
  }
}

function namespaceOf(url: string): string {
  return recordTypes.get(url)?.namespace ?? '';
}
