import { readFile } from 'node:fs/promises';
import {
  closeOnce,
  errorCode,
  GridError,
  isGridError,
  silentLogger,
  writeFileAtomic,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { BcdbFolder } from './config.ts';
import { Database } from './database.ts';
import type { CopyStanding, DatabaseParts, OwnerReceipt } from './database.ts';
import type { BcdbErrorCode } from './errors.ts';
import { openCopy, openReplica } from './follow/follower.ts';
import type { FollowerOptions } from './follow/follower.ts';
import type { Replica } from './follow/replica.ts';
import { trustOfLedger } from './ledger/ledger-succession.ts';
import type { Ledger } from './ledger/ledger.ts';
import { PayloadEraser } from './ledger/payload-eraser.ts';
import { openProjection } from './projection/open-projection.ts';
import type { Presence } from './presence/presence.ts';
import type { Receipt } from './sequencer/sequencer.ts';
import type { SignedHead } from './signed-head.ts';
import { toBase64url } from './tree/base64.ts';
import { nodePrimitives } from './tree/node-primitives.ts';
import { Verifier } from './tree/verifier.ts';

export interface BcdbReplicaOptions extends FollowerOptions {
  /** Address of the database that it copies: where those are sent who want to write. */
  readonly sequencer: string;
}

interface BcdbReplicaParts extends DatabaseParts {
  readonly replica: Replica;
  readonly sequencer: string;
  readonly close: () => Promise<void>;
}

/**
 * A full copy of a log that somebody else sequences, with what answers questions about it. It verifies
 * and judges every record itself; what it cannot do is write.
 */
export class BcdbReplica extends Database implements AsyncDisposable {
  readonly replica: Replica;
  readonly close: () => Promise<void>;
  readonly #ledger: Ledger;
  readonly #sequencer: string;

  private constructor(parts: BcdbReplicaParts) {
    super(parts);
    this.replica = parts.replica;
    this.#ledger = parts.ledger;
    this.#sequencer = parts.sequencer;
    this.close = closeOnce(parts.close);
  }

  /** @throws BCDB_OTHER_LOG, BASE_FOLDER_LOCKED */
  static async open(options: BcdbReplicaOptions): Promise<BcdbReplica> {
    const { dataDir, sequencer, logger = silentLogger } = options;
    const folder = new BcdbFolder(dataDir);
    await using opened = new AsyncDisposableStack();
    const { ledger, engine, hashes } = await openCopy(options, opened);
    const projection = opened.use(await openProjection(folder, ledger, logger));
    await ledger.catchUp();
    const file = folder.erasures;
    opened.use(await PayloadEraser.open({ ledger, engine, projection, file, logger }));
    let newest = await keptHead(folder.checkpoint, ledger, logger);
    let tell = (): void => undefined;
    const onReached = async (signed: SignedHead): Promise<void> => {
      newest = signed;
      tell();
      await writeFileAtomic(folder.checkpoint, signed.note, { mode: 0o600 });
    };
    const replica = await openReplica({ ...options, ledger, onReached }, opened);
    const parts = opened.move();
    const bcdb = new BcdbReplica({
      ...{ ledger, hashes, projection, replica, sequencer },
      signed: () => newest ?? notYet(),
      close: () => parts.disposeAsync(),
    });
    tell = () => bcdb.headMoved();
    return bcdb;
  }

  /**
   * Resolves with the reason when it has to be opened again to go on: the disk failed or is full,
   * payloads came that were withheld, or it was closed. Reading goes on.
   */
  get failed(): Promise<GridError> {
    return this.#ledger.failed;
  }

  /** The first admin of the log: who holds this copy has all that an admin may read. */
  get owner(): string {
    return this.genesis.admins.signers[0] ?? '';
  }

  override get copy(): CopyStanding {
    const { halted, alarms, withheld, sourceHead } = this.replica;
    return { sequencer: this.#sequencer, halted, alarms, withheld, sourceHead };
  }

  /** @throws BCDB_READ_ONLY */
  get presence(): Presence {
    throw this.#readOnly();
  }

  /** @throws BCDB_READ_ONLY */
  async append(): Promise<Receipt> {
    throw this.#readOnly();
  }

  /** @throws BCDB_READ_ONLY */
  async write(): Promise<OwnerReceipt> {
    throw this.#readOnly();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #readOnly(): GridError<BcdbErrorCode> {
    const sequencer = this.#sequencer;
    return new GridError('BCDB_READ_ONLY', `this is a copy; ${sequencer} takes what is written`, {
      hint: `send it to ${sequencer}`,
      details: { sequencer },
    });
  }
}

/** The head that was reached in an earlier life, if it is that of the log here. */
async function keptHead(
  file: string,
  ledger: Ledger,
  logger: Logger,
): Promise<SignedHead | undefined> {
  try {
    const note = await readFile(file, 'utf8');
    const { size, root } = new Verifier(nodePrimitives).verifyCheckpoint(
      note,
      trustOfLedger(ledger),
    );
    if (size <= ledger.head.size) {
      const head = { size, root: ledger.rootAt(size) };
      if (toBase64url(head.root) === root) return { head, note };
    }
    logger.warn({ size }, 'the checkpoint that was kept is not that of this log');
  } catch (error) {
    if (isGridError(error)) logger.warn({ err: error }, 'the checkpoint that was kept is none');
    else if (errorCode(error) !== 'ENOENT') throw error;
  }
  return undefined;
}

function notYet(): never {
  throw new GridError<BcdbErrorCode>('BCDB_BUSY', 'this copy has not come to a signed head yet', {
    hint: 'ask again in a second; GET /v1/replica says how far it is',
    retryable: true,
  });
}
