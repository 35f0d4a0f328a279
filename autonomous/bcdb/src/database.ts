import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import { botIdOf, nodeIdOf } from '@commongrid/model';
import type { RecordOf } from '@commongrid/model';
import type { BcdbErrorCode } from './errors.ts';
import { FeedServer } from './feeds/feed-server.ts';
import type { FeedsReply, FeedsRequest } from './feeds/feeds-reply.ts';
import type { ReplicaAlarm } from './follow/replica.ts';
import { successionOf } from './ledger/ledger-succession.ts';
import type { EffectListener, Ledger } from './ledger/ledger.ts';
import { LogProofs } from './log-proofs.ts';
import type { LogEngine, LogHead } from './log/log-engine.ts';
import type { Presence } from './presence/presence.ts';
import type { ProjectionService } from './projection/projection-service.ts';
import type { Entry } from './record/entry.ts';
import type { RecordOp } from './record/envelope.ts';
import type { Genesis } from './record/genesis.ts';
import { systemUrls } from './record/system-records.ts';
import type { Right } from './record/system-records.ts';
import type { Receipt } from './sequencer/sequencer.ts';
import type { SignedHead } from './signed-head.ts';
import { namespaceScope } from './state/access.ts';
import { fitting } from './state/fitting.ts';
import { Identities } from './state/identities.ts';
import type { Speaker } from './state/identities.ts';
import { knownSchema } from './state/known-schemas.ts';
import type { PolicyScope, RequiredLines } from './state/policies.ts';
import { isPrivate } from './state/private-rules.ts';
import type { StateReader } from './state/state-view.ts';
import type { HashStore } from './tree/hash-store.ts';
import type { RecordProof } from './tree/record-proof.ts';
import type { Succession } from './tree/succession.ts';
import { tileWidth } from './tree/tile.ts';
import type { VerifiedHead } from './tree/verifier.ts';

/** What the owner of a database says of an object; BCDB adds version and schema, and signs. */
export interface OwnerStatement {
  readonly ns: string;
  readonly op: RecordOp;
  readonly url: string;
  readonly obj: string;
  /** With `put`: what the object becomes; bytes are a sealed payload. */
  readonly value?: JsonValue | Uint8Array;
  /** Version that it follows. Default: the newest, whatever that is. */
  readonly prev?: string;
}

/** Where a record of the owner stands. */
export interface OwnerReceipt extends Receipt {
  /** Whether the object existed before. */
  readonly wasLive: boolean;
}

/** How a copy stands to the log that it follows. */
export interface CopyStanding {
  /** Address of the database that takes what is written. */
  readonly sequencer: string;
  /** Why it takes no more records; undefined while it follows. */
  readonly halted: GridError | undefined;
  /** Records that the rules refuse, the last ones: they did nothing here. */
  readonly alarms: readonly ReplicaAlarm[];
  /** Records whose payloads the source withholds, the first ones. */
  readonly withheld: readonly number[];
  /** The newest head of the source that was verified; undefined before the first. */
  readonly sourceHead: VerifiedHead | undefined;
}

export interface DatabaseParts {
  readonly ledger: Ledger;
  readonly hashes: HashStore;
  readonly projection: ProjectionService;
  /** The newest head that others believe. */
  readonly signed: () => SignedHead;
}

/**
 * A log with its state and with what answers questions about it: all that doors serve. `Bcdb` writes
 * into it, a copy does not.
 */
export abstract class Database {
  /** What answers questions: current and former versions, search, SQL. It follows the log closely. */
  readonly projection: ProjectionService;
  readonly #ledger: Ledger;
  readonly #hashes: HashStore;
  readonly #signed: () => SignedHead;
  readonly #proofs: LogProofs;
  readonly #feeds: FeedServer;
  readonly #identities: Identities;

  protected constructor({ ledger, hashes, projection, signed }: DatabaseParts) {
    this.projection = projection;
    this.#ledger = ledger;
    this.#hashes = hashes;
    this.#signed = signed;
    this.#proofs = new LogProofs({ ledger, hashes, signed });
    this.#feeds = new FeedServer({ ledger, hashes, signed });
    this.#identities = new Identities(ledger.view, ledger.log);
  }

  /** Undefined for the database that sequences its log itself. */
  get copy(): CopyStanding | undefined {
    return undefined;
  }

  /** Text of the key in whose name the token of a door speaks. */
  abstract get owner(): string;

  /**
   * Who lives and who holds which lease: heartbeats and renewals, which are not logged.
   * @throws BCDB_READ_ONLY on a copy
   */
  abstract get presence(): Presence;

  /**
   * Appends a signed record; resolves once it is durable. The same record again gives the first
   * receipt.
   * @throws BCDB_READ_ONLY on a copy, and what the rules refuse
   */
  abstract append(entry: Entry): Promise<Receipt>;

  /**
   * Writes in the name of the owner; calls that do not wait for each other share commits.
   * @throws BCDB_READ_ONLY on a copy, and what the rules refuse
   */
  abstract write(statement: OwnerStatement): Promise<OwnerReceipt>;

  /** Makes a namespace of which the owner is admin. */
  createNamespace(ns: string): Promise<Receipt> {
    const value = { grants: [{ to: this.owner, rights: ['admin'] }] };
    return this.write({ ns, op: 'put', url: systemUrls.namespace, obj: namespaceScope, value });
  }

  /** Defines a type, or a newer version of it that takes all that the former took. */
  defineSchema(ns: string, url: string, schema: JsonValue): Promise<Receipt> {
    return this.write({ ns, op: 'put', url: systemUrls.schema, obj: url, value: { url, schema } });
  }

  /** Hash of the genesis, base64url. */
  get log(): string {
    return this.#ledger.log;
  }

  get genesis(): Genesis {
    return this.#ledger.genesis;
  }

  /** Key that signs the log now. */
  get sequencer(): string {
    return this.#ledger.fold.handovers.sequencer;
  }

  /** How the log came to that key: what others verify it by. */
  get succession(): Succession {
    return successionOf(this.#ledger);
  }

  /** Size and root of what is durable. */
  get head(): LogHead {
    return this.#ledger.head;
  }

  /** The newest head that the sequencer signed, as far as it is here. @throws BCDB_BUSY */
  signedHead(): SignedHead {
    return this.#signed();
  }

  /** Its note: a C2SP checkpoint with the time at which this was the newest head. @throws BCDB_BUSY */
  checkpoint(): string {
    return this.#signed().note;
  }

  /** Log time, milliseconds since 1970. */
  get at(): number {
    return this.#ledger.fold.at;
  }

  /** Hash chain over all changes of the state: equal on every replica that judged alike. */
  get digest(): string {
    return this.#ledger.fold.digest;
  }

  /** What the rules read: namespaces, types, proposals, heads of objects. */
  get state(): StateReader {
    return this.#ledger.view;
  }

  /** Counter of the last record of a key; 0 when it has none. */
  lastN(key: string): number {
    return this.#ledger.view.author(key)?.n ?? 0;
  }

  /** Hash of the newest schema of a type; undefined for types that have none. */
  schemaOf(ns: string, url: string): string | undefined {
    const document = this.#ledger.view.document<{ readonly schema: JsonValue }>({
      ns,
      url: systemUrls.schema,
      obj: url,
    });
    return document === undefined ? undefined : knownSchema(document.value.schema).id;
  }

  /** Newest version of an object, base64url; undefined when it never was. */
  versionOf(ns: string, url: string, obj: string): string | undefined {
    return this.#ledger.view.head({ ns, url, obj })?.version;
  }

  /** Whether a key has a right on an object now. */
  may(ns: string, key: string, right: Right, url: string, obj: string): boolean {
    return this.#ledger.fold.access.may(ns, key, right, url, obj);
  }

  /** Whether a key has a right on all objects of a type, or of the namespace, without exception. */
  mayEverywhere(ns: string, key: string, right: Right, url?: string): boolean {
    return this.#ledger.fold.access.mayEverywhere(ns, key, right, url);
  }

  /** Whether a key has any right on anything of a namespace. */
  hasAnyRight(ns: string, key: string): boolean {
    return this.#ledger.fold.access.hasAnyRight(ns, key);
  }

  /** Whether payloads of a namespace are sealed: then nothing sees into them but readers. */
  isPrivate(ns: string): boolean {
    return isPrivate(this.#ledger.view, ns);
  }

  hasNamespace(ns: string): boolean {
    const name = { ns, url: systemUrls.namespace, obj: namespaceScope };
    return this.#ledger.view.head(name)?.isLive === true;
  }

  /** The policy that a change has to meet, if there is one, and who has to approve. */
  policyFor(change: PolicyScope): RequiredLines | undefined {
    return this.#ledger.fold.policies.linesFor(change);
  }

  /** The name under which a key counts in policies: its bot, or itself. */
  identityOf(key: string): string {
    return this.#ledger.fold.policies.identityOf(key);
  }

  /**
   * Whether a key speaks for a bot or node now. One that the log does not know yet has the id of its
   * first key; a key that was ended speaks for nobody.
   */
  speaksFor(key: string, id: string): boolean {
    if (!this.#identities.maySpeak(key)) return false;
    const holder = this.#identities.holderOf(key);
    return holder === undefined ? id === botIdOf(key) || id === nodeIdOf(key) : id === holder;
  }

  /** Whether a key is one of a bot that is a signer of an account now. */
  signsFor(key: string, account: string): boolean {
    const name = { ns: 'wallet', url: 'grid.account.1', obj: account };
    const value = fitting(name.url, this.#ledger.view.document<unknown>(name)?.value);
    const { signers = [] } = (value as RecordOf<'grid.account.1'> | undefined) ?? {};
    const holder = this.#identities.maySpeak(key) ? this.#identities.holderOf(key) : undefined;
    return signers.some((bot) => bot === holder);
  }

  /** The bot for which a key speaks now, by what the phonebook says. */
  speakerOf(key: string): Speaker | undefined {
    return this.#identities.speakerOf(key);
  }

  /**
   * Tells of each batch that became durable, in order; the answer ends it. What the listener throws
   * is its own fault.
   */
  listen(listener: EffectListener): () => void {
    return this.#ledger.listen(listener);
  }

  /** Entries of the log as they were signed, from `from` up to, not including, `to`. */
  read(from: number, to: number): ReturnType<LogEngine['read']> {
    return this.#ledger.read(from, to);
  }

  /**
   * Shows that record `seq` is in the log, to somebody who knows the log's hash and the sequencer's
   * key and nothing else.
   * @throws BCDB_SEQ_UNKNOWN
   */
  prove(seq: number, { withBody = true } = {}): Promise<RecordProof> {
    return this.#proofs.prove(seq, { withBody });
  }

  /**
   * The records that concern readers, with all that shows to a light follower that they are all.
   * @throws BCDB_REQUEST_INVALID, BCDB_SEQ_UNKNOWN, BCDB_BUSY
   */
  feedsOf(request: FeedsRequest): Promise<FeedsReply> {
    return this.#feeds.feedsOf(request);
  }

  /**
   * Resolves once there is something else to say of feeds than that they are as the request says;
   * when the signal fires; or at once when too many wait.
   */
  feedNews(request: FeedsRequest, signal: AbortSignal): Promise<void> {
    return this.#feeds.news(request, signal);
  }

  /** How many wait for news of feeds. */
  get feedWaiters(): number {
    return this.#feeds.waiting;
  }

  /** There is a newer signed head: to be called after each. */
  protected headMoved(): void {
    this.#feeds.look();
  }

  /** Merkle root over the first `size` records. @throws BCDB_SEQ_UNKNOWN */
  rootAt(size: number): Uint8Array {
    return this.#ledger.rootAt(size);
  }

  /** Shows that the log of `newSize` records begins with that of `oldSize`. */
  consistencyProof(oldSize: number, newSize: number): readonly Uint8Array[] {
    return this.#hashes.consistencyProof(oldSize, newSize);
  }

  /**
   * The first hashes of a tile of the tree, 32 bytes each (C2SP tlog-tiles).
   * @throws BCDB_SEQ_UNKNOWN when not all of it is durable yet
   */
  tileBytes(level: number, index: number, width: number): Uint8Array {
    if ((index * tileWidth + width) * tileWidth ** level > this.head.size) {
      throw new GridError<BcdbErrorCode>('BCDB_SEQ_UNKNOWN', 'the log does not fill this tile yet');
    }
    return this.#hashes.tileBytes(level, index, width);
  }
}
