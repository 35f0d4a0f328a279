import { hash } from 'node:crypto';
import { isGridError } from '@commongrid/base';
import type { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { CheckedRecord } from '../record/checked-record.ts';
import type { Envelope } from '../record/envelope.ts';
import type { Genesis } from '../record/genesis.ts';
import { Feeds } from '../feeds/feeds.ts';
import { logNamespace, systemUrls } from '../record/system-records.ts';
import type { TickRecord } from '../record/system-records.ts';
import { toBase64url } from '../tree/base64.ts';
import { Access } from './access.ts';
import { isSystem } from './administrative.ts';
import type { Change, Moment } from './change.ts';
import type { Effect } from './effect.ts';
import { HandoverRules } from './handover-rules.ts';
import type { Layer } from './layered-store.ts';
import { ObjectRules } from './object-rules.ts';
import { Policies } from './policies.ts';
import { ProposalRules } from './proposal-rules.ts';
import { refusal, withheld } from './refusal.ts';
import { gridValidator } from './grid-rules.ts';
import { Identities } from './identities.ts';
import type { StateView } from './state-view.ts';
import { requireShape, SystemRules } from './system-rules.ts';
import { hasRules } from './validator.ts';
import type { Validators } from './validator.ts';
import { walletValidator } from './wallet-rules.ts';

/** A record at its place in the log. Its form, signature and payload hash were checked before. */
export interface LogRecord {
  readonly seq: number;
  readonly envelope: Envelope;
  /** Leaf hash, base64url. */
  readonly version: string;
  /** Payload as it was signed; undefined where there is none, or it was erased. */
  readonly payload: Uint8Array | undefined;
  /** The payload as a value; undefined where it is no JSON: absent, sealed, erased. */
  readonly value: JsonValue | undefined;
}

/** A record with its place. */
export function logRecord(record: CheckedRecord, seq: number): LogRecord {
  const { envelope, version, payload, value } = record;
  return { seq, envelope, version, payload, value };
}

/** Either what the record did, or why it did nothing. */
export type Verdict =
  | { readonly effects: readonly Effect[]; readonly refusal?: undefined }
  | { readonly refusal: GridError };

export interface FoldOptions {
  readonly view: StateView;
  /** Hash of the genesis, base64url. */
  readonly log: string;
  readonly genesis: Genesis;
  /** Whether the log had this root at this size, which is the record's sequence at most. */
  readonly hadHead: (size: number, root: string) => boolean;
  /** Rules of namespaces besides those that the program has. */
  readonly validators?: Validators;
}

/**
 * The rules of the log as one pure function, run by the sequencer before it takes a record in, and
 * again by every replica: the state at `seq - 1` and a record give the state at `seq`. Integers
 * only, no clock, no chance, no I/O; log time is what the ticks before say.
 */
export class Fold {
  readonly #view: StateView;
  readonly #log: string;
  readonly #genesis: Genesis;
  readonly #hadHead: FoldOptions['hadHead'];
  readonly #proposals: ProposalRules;
  readonly #objects: ObjectRules;
  readonly #identities: Identities;
  readonly handovers: HandoverRules;
  readonly access: Access;
  readonly policies: Policies;
  readonly feeds: Feeds;

  constructor(options: FoldOptions) {
    const { view, log, genesis, hadHead } = options;
    this.#view = view;
    this.#log = log;
    this.#genesis = genesis;
    this.#hadHead = hadHead;
    const identities = new Identities(view, log);
    const handovers = new HandoverRules({ view, log, genesis, hadHead });
    const access = new Access(view, identities);
    const policies = new Policies(view, access, identities);
    const system = new SystemRules(view, access, policies);
    const validators: Validators = new Map([
      ['grid@1', gridValidator(identities, genesis, handovers)],
      ['wallet@1', walletValidator(identities, genesis)],
      ...(options.validators ?? []),
    ]);
    const objects = new ObjectRules({ view, access, policies, system, genesis, validators });
    this.#identities = identities;
    this.handovers = handovers;
    this.feeds = new Feeds({ view, identities, genesis });
    this.access = access;
    this.policies = policies;
    this.#objects = objects;
    this.#proposals = new ProposalRules({ view, access, policies, objects, identities });
  }

  /** Log time: `at` of the last tick, milliseconds since 1970. */
  get at(): number {
    return Number(this.#view.fact('at') ?? 0);
  }

  /** The next log time at which something lapses; undefined when nothing is due. */
  get nextDeadline(): number | undefined {
    return this.#proposals.nextDeadline;
  }

  /** Hash chain over all changes of the state: equal on replicas that judged alike. */
  get digest(): string {
    return this.#view.fact('digest') ?? emptyDigest;
  }

  /** Judges one record; the state holds what it changed, or is as before when it is refused. */
  judge(record: LogRecord): Verdict {
    this.#identities.now = { seq: record.seq, at: this.at };
    try {
      const effects = this.#apply(record);
      this.feeds.take(record, effects, this.at);
      this.#seal();
      return { effects };
    } catch (error) {
      this.#view.dropChanges();
      if (isGridError(error)) return { refusal: error };
      throw error;
    } finally {
      this.#identities.now = undefined;
    }
  }

  #apply(record: LogRecord): readonly Effect[] {
    const { envelope, seq } = record;
    if (envelope.log !== this.#log) {
      throw refusal('BCDB_OTHER_LOG', `the record is of log ${envelope.log}`, {
        details: { expected: this.#log, actual: envelope.log },
      });
    }
    requireSystemPayload(record);
    this.#count(envelope, seq);
    this.#requireSeen(envelope, seq);
    if (envelope.ns === logNamespace) return this.#aboutTheLog(record);
    const moment = { seq, at: this.at };
    const change = changeOf(record);
    switch (envelope.url) {
      case systemUrls.proposal:
        return this.#proposals.propose(change, moment);
      case systemUrls.approval:
        return this.#proposals.vote(change, moment);
      default:
        return [this.#direct(change, moment)];
    }
  }

  #direct(change: Change, moment: Moment): Effect {
    this.#objects.requireDirect(change);
    return this.#objects.apply(change, moment);
  }

  #count({ author, n }: Envelope, seq: number): void {
    const known = this.#view.author(author);
    const expected = (known?.n ?? 0) + 1;
    if (n !== expected) {
      throw refusal('BCDB_COUNTER_GAP', `record ${expected} of this key comes next, not ${n}`, {
        hint: 'send the missing records first, or take the next counter',
        retryable: n > expected,
        details: { expected, actual: n },
      });
    }
    if (!this.#identities.maySpeak(author)) {
      throw refusal('BCDB_KEY_ENDED', 'this key was retired, or is compromised', {
        details: { author, holder: this.#identities.holderOf(author) },
      });
    }
    this.#view.setAuthor(author, { id: known?.id, n, seq });
  }

  /**
   * Nobody can have seen the record itself, though a log that is read again has it. Where records move
   * what others rely on, each says what it builds on; the sequencer itself has seen everything.
   */
  #requireSeen({ seen, ns, author }: Envelope, seq: number): void {
    if (seen === undefined) {
      if (!hasRules(this.#view, ns) || author === this.handovers.sequencer) return;
      throw refusal('BCDB_SEEN_MISSING', `records of ${ns} name a head that their author saw`, {
        hint: 'verify a checkpoint, and sign again with its size and root',
        details: { ns },
      });
    }
    if (seen.size <= seq && this.#hadHead(seen.size, seen.root)) return;
    throw refusal('BCDB_FORKED_VIEW', `this log never had that root at size ${seen.size}`, {
      hint: 'keep both checkpoints: they prove that the log was forked or rolled back',
      details: { seen },
    });
  }

  /** Genesis, ticks and handovers: the sequencer's own records. */
  #aboutTheLog(record: LogRecord): readonly Effect[] {
    const { envelope, seq, value } = record;
    if (envelope.op !== 'put') {
      throw refusal('BCDB_DENIED', `records of namespace ${logNamespace} are only added`);
    }
    if (envelope.url === systemUrls.handover) {
      this.handovers.take(record);
      return [];
    }
    if (envelope.author !== this.handovers.sequencer) {
      throw refusal('BCDB_DENIED', `only the sequencer writes into namespace ${logNamespace}`);
    }
    if (envelope.url === systemUrls.genesis && seq === 0) {
      this.#view.setFact('at', String(this.#genesis.at));
      return [];
    }
    if (envelope.url === systemUrls.tick) return this.#tick(value, seq);
    throw refusal('BCDB_NAME_RESERVED', `${envelope.url} is no type of namespace ${logNamespace}`);
  }

  #tick(value: JsonValue | undefined, seq: number): readonly Effect[] {
    requireShape(systemUrls.tick, value);
    const { at, feedsRoot, state } = value as TickRecord;
    if (at < this.at) {
      throw refusal('BCDB_DENIED', `log time went back from ${this.at} to ${at}`);
    }
    if (state !== this.digest) {
      throw refusal('BCDB_STATE_DIFFERS', 'the sequencer came to another state than this fold', {
        details: { here: this.digest, there: state },
      });
    }
    const feeds = this.feeds.root();
    if (feedsRoot !== feeds) {
      throw refusal('BCDB_FEEDS_DIFFER', 'the sequencer gave other records to readers', {
        details: { seq, here: feeds, there: feedsRoot },
      });
    }
    this.#view.setFact('at', String(at));
    this.feeds.ticked(seq);
    // Keys change with log time too: a recovery falls due.
    this.#view.touch();
    this.#proposals.expire(at);
    return [];
  }

  /** Ends an accepted record: its changes enter the hash chain. */
  #seal(): void {
    const before = this.digest;
    const changes = this.#view.takeChanges();
    this.#view.setFact('digest', chain(before, changes));
    this.#view.takeChanges();
  }
}

/** What all rules rest on is never erased: without it nothing after it can be judged. */
function requireSystemPayload({ envelope: { op, url }, payload, seq }: LogRecord): void {
  if (op === 'put' && payload === undefined && isSystem(url)) throw withheld(seq);
}

const emptyDigest = toBase64url(new Uint8Array(32));

/**
 * Unique values are left out: they are hashes of payloads, which may be gone when the log is read
 * again. So is what a replica notes of payloads that are missing, and of records that it refused. Feeds follow from the rest, and ticks
 * tell of them by a root of their own.
 */
function chain(before: string, changes: Layer): string {
  let text = before;
  const keys = [...changes.keys()].filter((key) => !undigested.has(key[0] ?? ''));
  for (const key of keys.toSorted()) {
    text += `\n${key}=${changes.get(key) ?? ''}`;
  }
  return hash('sha256', text, 'base64url');
}

/** First letters of the keys of what is left out. */
const undigested: ReadonlySet<string> = new Set(['f', 'u', 'w', 'x']);

function changeOf({ envelope, seq, version, payload, value }: LogRecord): Change {
  const { ns, url, obj, op, prev, schema, author } = envelope;
  return { ns, url, obj, op, prev, schema, author, payload, value, origin: seq, version };
}
