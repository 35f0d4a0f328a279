import { mkdir } from 'node:fs/promises';
import { closeOnce, FolderLock, GridError, silentLogger, systemClock } from '@commongrid/base';
import { canonicalBytes } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { botIdOf, nodeIdOf } from '@commongrid/model';
import { BcdbFolder } from './config.ts';
import type { BcdbOptions } from './config.ts';
import type { BcdbErrorCode } from './errors.ts';
import { FeedServer } from './feeds/feed-server.ts';
import type { FeedsReply, FeedsRequest } from './feeds/feeds-reply.ts';
import { finishAdoption } from './follow/adopt-handover.ts';
import { loadOrMakeIdentity, settleKey } from './genesis-file.ts';
import type { LogIdentity } from './genesis-file.ts';
import type { EffectListener, Ledger } from './ledger/ledger.ts';
import { successionOf } from './ledger/ledger-succession.ts';
import { openLedger } from './ledger/open-ledger.ts';
import { PayloadEraser } from './ledger/payload-eraser.ts';
import { LogProofs } from './log-proofs.ts';
import type { LogBatch, LogEngine, LogHead } from './log/log-engine.ts';
import { signRecord } from './record/author.ts';
import type { Statement } from './record/author.ts';
import { checkRecord } from './record/checked-record.ts';
import { EffectFeed } from './projection/effect-feed.ts';
import { Presence } from './presence/presence.ts';
import { ProjectionService } from './projection/projection-service.ts';
import type { Entry } from './record/entry.ts';
import type { RecordOp } from './record/envelope.ts';
import type { Genesis } from './record/genesis.ts';
import { genesisPayload, logIdOf } from './record/genesis.ts';
import { RecordAuthor } from './record/record-author.ts';
import { logNamespace, systemUrls } from './record/system-records.ts';
import type { Right } from './record/system-records.ts';
import { exportLog } from './offline/export-log.ts';
import { requireNoRestore } from './offline/restored-mark.ts';
import { Evidence } from './sequencer/evidence.ts';
import { Sequencer } from './sequencer/sequencer.ts';
import type { Receipt } from './sequencer/sequencer.ts';
import { SignaturePool } from './sequencer/signature-pool.ts';
import { namespaceScope } from './state/access.ts';
import { Identities } from './state/identities.ts';
import { knownSchema } from './state/known-schemas.ts';
import type { PolicyScope, RequiredLines } from './state/policies.ts';
import { isPrivate } from './state/private-rules.ts';
import type { StateReader } from './state/state-view.ts';
import type { HashStore } from './tree/hash-store.ts';
import type { RecordProof } from './tree/record-proof.ts';
import type { Succession } from './tree/succession.ts';
import { tileWidth } from './tree/tile.ts';

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

interface BcdbParts {
  readonly ledger: Ledger;
  readonly sequencer: Sequencer;
  readonly hashes: HashStore;
  readonly author: RecordAuthor<Receipt>;
  readonly proofs: LogProofs;
  readonly projection: ProjectionService;
  readonly presence: Presence;
  readonly eraser: PayloadEraser;
  readonly close: () => Promise<void>;
}

/** A database that this process sequences: the log, its state, and what answers questions. */
export class Bcdb implements AsyncDisposable {
  /** What answers questions: current and former versions, search, SQL. It follows the log closely. */
  readonly projection: ProjectionService;
  /** Who lives and who holds which lease: heartbeats and renewals, which are not logged. */
  readonly presence: Presence;
  readonly close: () => Promise<void>;
  readonly #ledger: Ledger;
  readonly #sequencer: Sequencer;
  readonly #hashes: HashStore;
  readonly #author: RecordAuthor<Receipt>;
  readonly #proofs: LogProofs;
  readonly #feeds: FeedServer;
  readonly #identities: Identities;
  readonly #eraser: PayloadEraser;

  private constructor(parts: BcdbParts) {
    const { ledger, sequencer, hashes, author, proofs, projection, presence } = parts;
    this.#ledger = ledger;
    this.#sequencer = sequencer;
    this.#hashes = hashes;
    this.#author = author;
    this.#proofs = proofs;
    this.#feeds = new FeedServer({ ledger, hashes, checkpoint: () => proofs.checkpoint() });
    this.#identities = new Identities(ledger.view, ledger.log);
    this.#eraser = parts.eraser;
    this.projection = projection;
    this.presence = presence;
    this.close = closeOnce(parts.close);
  }

  /** Opens the database of a folder, or makes a new one. */
  static async open(options: BcdbOptions): Promise<Bcdb> {
    const { clock = systemClock, logger = silentLogger, owner, dataDir } = options;
    const folder = new BcdbFolder(dataDir);
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await using opened = new AsyncDisposableStack();
    // Ahead of the log's own lock: two that start at once would each make a genesis.
    opened.use(await FolderLock.open(dataDir));
    finishAdoption(folder);
    const { genesis, sequencerKey: found } = await loadOrMakeIdentity(
      folder,
      options,
      clock.nowMs(),
    );
    const first = found && firstBatch({ genesis, sequencerKey: found });
    const { ledger, engine, hashes } = await openLedger({
      folder,
      genesis,
      opened,
      ...(first === undefined ? {} : { first }),
      postgres: options.postgres,
    });
    await requireNoRestore(folder, ledger.head);
    const projection = opened.use(
      await ProjectionService.open({
        folder: folder.projection,
        catchUp: (from) => ledger.effects(from),
        rootAt: (size) => (size <= ledger.head.size ? ledger.rootAt(size) : undefined),
        onEvent: (event) => logger.warn({ event: event.kind, ...event }, 'projection'),
      }),
    );
    const feed = new EffectFeed(projection);
    ledger.listen((batch) => feed.push(batch));
    await ledger.catchUp();
    const sequencerKey = await settleKey(folder, ledger.fold.handovers.sequencer);
    const eraser = opened.use(
      await PayloadEraser.open({ ledger, engine, projection, file: folder.erasures, logger }),
    );
    const signatures = opened.use(SignaturePool.open());
    const evidence = await Evidence.open(folder.evidence, logger);
    const sequencer = opened.use(
      new Sequencer({ ledger, signatures, key: sequencerKey, evidence, clock }),
    );
    const author = new RecordAuthor({
      key: owner,
      log: ledger.log,
      lastN: () => ledger.view.author(owner.publicKey.text)?.n ?? 0,
      headOf: (statement) => ledger.view.head(statement),
      append: (entry) => sequencer.append(entry),
      clock,
    });
    const proofs = new LogProofs({ ledger, hashes, key: sequencerKey, clock });
    const presence = opened.use(
      await Presence.open({
        ...options.presence,
        ledger,
        sequencer,
        signatures,
        evidence,
        file: folder.presence,
        checkpoint: () => proofs.checkpoint(),
        clock,
        logger,
      }),
    );
    const parts = opened.move();
    const close = (): Promise<void> => parts.disposeAsync();
    return new Bcdb({
      ledger,
      sequencer,
      hashes,
      author,
      proofs,
      projection,
      presence,
      eraser,
      close,
    });
  }

  /**
   * Resolves with the reason when nothing more can be written until the database is opened again: the
   * disk failed or is full, another writer took over, or it was closed. Reading goes on.
   */
  get failed(): Promise<GridError> {
    return this.#ledger.failed;
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

  /** The newest head, signed by the sequencer with the time of this second: a C2SP note. */
  checkpoint(): string {
    return this.#proofs.checkpoint();
  }

  /** Log time, milliseconds since 1970. */
  get at(): number {
    return this.#ledger.fold.at;
  }

  /** Hash chain over all changes of the state: equal on every replica that judged alike. */
  get digest(): string {
    return this.#ledger.fold.digest;
  }

  /** Text of the owner's key. */
  get owner(): string {
    return this.#author.keyText;
  }

  /** What the rules read: namespaces, types, proposals, heads of objects. */
  get state(): StateReader {
    return this.#ledger.view;
  }

  /** Counter of the last record of a key; 0 when it has none. */
  lastN(key: string): number {
    return this.#ledger.view.author(key)?.n ?? 0;
  }

  /**
   * Appends a signed record; resolves once it is durable. The same record again gives the first
   * receipt.
   */
  append(entry: Entry): Promise<Receipt> {
    return this.#sequencer.append(entry);
  }

  /** Writes in the name of the owner; calls that do not wait for each other share commits. */
  async write({ ns, op, url, obj, value, prev }: OwnerStatement): Promise<OwnerReceipt> {
    const statement: Statement = {
      ns,
      op,
      url,
      obj,
      prev,
      schema: op === 'put' ? this.schemaOf(ns, url) : undefined,
      payload: payloadOf(value),
    };
    const { receipt, followed } = await this.#author.write(statement);
    return { ...receipt, wasLive: followed?.isLive === true };
  }

  /** The clock was looked at after BCDB_CLOCK_JUMPED, and is right. */
  confirmClock(): void {
    this.#sequencer.confirmClock();
  }

  /** Resolves once the payloads of all objects that were erased so far are gone from the log. */
  erased(): Promise<void> {
    return this.#eraser.settled();
  }

  /** Makes a namespace of which the owner is admin. */
  createNamespace(ns: string): Promise<Receipt> {
    const value = { grants: [{ to: this.owner, rights: ['admin'] }] };
    return this.write({ ns, op: 'put', url: systemUrls.namespace, obj: namespaceScope, value });
  }

  /** Defines a type, or a newer version of it that takes all that the former took. */
  defineSchema(ns: string, url: string, schema: JsonValue): Promise<Receipt> {
    return this.write({ ns, op: 'put', url: systemUrls.schema, obj: url, value: { url, schema } });
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

  /** All records up to the present head as lines of JSON, with what verifies them offline. */
  export(): AsyncGenerator<string> {
    const { size } = this.head;
    return exportLog(this, { size, checkpoint: this.checkpoint() });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function payloadOf(value: OwnerStatement['value']): Uint8Array | undefined {
  return value === undefined || value instanceof Uint8Array ? value : canonicalBytes(value);
}

/** The first record of a new log. */
function firstBatch({ genesis, sequencerKey }: LogIdentity): LogBatch {
  const entry = signRecord(
    sequencerKey,
    {
      ns: logNamespace,
      op: 'put',
      url: systemUrls.genesis,
      obj: 'genesis',
      payload: genesisPayload(genesis),
    },
    { log: Buffer.from(logIdOf(genesis)).toString('base64url'), n: 1, t: genesis.at },
  );
  const { leafHash } = checkRecord(entry);
  // The root of a tree of one leaf is the hash of that leaf.
  return { from: 0, entries: [entry], head: { size: 1, root: leafHash } };
}
