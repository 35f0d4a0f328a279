import { mkdir } from 'node:fs/promises';
import { closeOnce, FolderLock, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, GridError } from '@commongrid/base';
import { canonicalBytes } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import { BcdbFolder } from './config.ts';
import type { BcdbOptions } from './config.ts';
import { Database } from './database.ts';
import type { DatabaseParts, OwnerReceipt, OwnerStatement } from './database.ts';
import { finishAdoption } from './follow/adopt-handover.ts';
import { loadOrMakeIdentity, settleKey } from './genesis-file.ts';
import type { LogIdentity } from './genesis-file.ts';
import type { Ledger } from './ledger/ledger.ts';
import { openLedger } from './ledger/open-ledger.ts';
import { PayloadEraser } from './ledger/payload-eraser.ts';
import type { LogBatch } from './log/log-engine.ts';
import { signRecord } from './record/author.ts';
import type { Statement } from './record/author.ts';
import { checkRecord } from './record/checked-record.ts';
import { Presence } from './presence/presence.ts';
import { openProjection } from './projection/open-projection.ts';
import type { Entry } from './record/entry.ts';
import { genesisPayload, logIdOf } from './record/genesis.ts';
import { RecordAuthor } from './record/record-author.ts';
import { logNamespace, systemUrls } from './record/system-records.ts';
import { exportLog } from './offline/export-log.ts';
import { requireNoRestore } from './offline/restored-mark.ts';
import { Evidence } from './sequencer/evidence.ts';
import { Sequencer } from './sequencer/sequencer.ts';
import type { Receipt } from './sequencer/sequencer.ts';
import { SignaturePool } from './sequencer/signature-pool.ts';
import { HeadSigner } from './signed-head.ts';
import type { SignedHead } from './signed-head.ts';
import { seenFor } from './state/validator.ts';

interface BcdbParts extends DatabaseParts {
  readonly sequencer: Sequencer;
  readonly author: RecordAuthor<Receipt>;
  readonly presence: Presence;
  readonly eraser: PayloadEraser;
  readonly close: () => Promise<void>;
}

/** A database that this process sequences. */
export class Bcdb extends Database implements AsyncDisposable {
  readonly presence: Presence;
  readonly close: () => Promise<void>;
  readonly #ledger: Ledger;
  readonly #sequencer: Sequencer;
  readonly #author: RecordAuthor<Receipt>;
  readonly #eraser: PayloadEraser;

  private constructor(parts: BcdbParts) {
    super(parts);
    this.#ledger = parts.ledger;
    this.#sequencer = parts.sequencer;
    this.#author = parts.author;
    this.#eraser = parts.eraser;
    this.presence = parts.presence;
    this.close = closeOnce(parts.close);
    parts.ledger.listen(() => this.headMoved());
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
    const projection = opened.use(await openProjection(folder, ledger, logger));
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
    const author = ownerAuthor(owner, ledger, sequencer, clock);
    const signer = new HeadSigner({ ledger, key: sequencerKey, clock });
    const signed = (): SignedHead => signer.newest();
    const presence = opened.use(
      await Presence.open({
        ...options.presence,
        ledger,
        sequencer,
        signatures,
        evidence,
        file: folder.presence,
        checkpoint: () => signed().note,
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
      signed,
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

  /** Text of the owner's key. */
  get owner(): string {
    return this.#author.keyText;
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

/** Signs in the name of the owner, who counts records by what the log has. */
function ownerAuthor(
  owner: SigningKey,
  ledger: Ledger,
  sequencer: Sequencer,
  clock: Clock,
): RecordAuthor<Receipt> {
  return new RecordAuthor({
    key: owner,
    log: ledger.log,
    lastN: () => ledger.view.author(owner.publicKey.text)?.n ?? 0,
    headOf: (statement) => ledger.view.head(statement),
    seenFor: (ns) => seenFor(ledger.view, ns, ledger.head),
    append: (entry) => sequencer.append(entry),
    clock,
  });
}
