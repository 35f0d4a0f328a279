import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { closeOnce, FolderLock, silentLogger, syncFolder } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { BcdbFolder } from '../config.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import type { OpenLedger } from '../ledger/open-ledger.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Genesis } from '../record/genesis.ts';
import { requireGenesis } from '../record/genesis.ts';
import { Evidence } from '../sequencer/evidence.ts';
import { SignaturePool } from '../sequencer/signature-pool.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';
import { Verifier } from '../tree/verifier.ts';
import { keepGenesis } from '../genesis-file.ts';
import { finishAdoption } from './adopt-handover.ts';
import type { LogSource } from './log-source.ts';
import { Replica } from './replica.ts';
import type { ReplicaOptions } from './replica.ts';

export interface FollowerOptions {
  /** Folder of the copy; made when missing. */
  readonly dataDir: string;
  /** From anywhere: it must hash to `log`. */
  readonly genesis: Genesis;
  /** Hash of the genesis, base64url: from a join token or a recovery card. */
  readonly log: string;
  readonly source: LogSource;
  readonly logger?: Logger;
}

/** A full copy of somebody else's log in a folder of its own. */
export class Follower implements AsyncDisposable {
  readonly ledger: Ledger;
  readonly replica: Replica;
  readonly close: () => Promise<void>;

  private constructor(ledger: Ledger, replica: Replica, close: () => Promise<void>) {
    this.ledger = ledger;
    this.replica = replica;
    this.close = closeOnce(close);
  }

  /** @throws BCDB_OTHER_LOG when the genesis is not that of `log` */
  static async open(options: FollowerOptions): Promise<Follower> {
    await using opened = new AsyncDisposableStack();
    const { ledger } = await openCopy(options, opened);
    await ledger.catchUp();
    const replica = await openReplica({ ...options, ledger }, opened);
    const parts = opened.move();
    return new Follower(ledger, replica, () => parts.disposeAsync());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Opens the folder of a copy, or makes one; `ledger.catchUp` has to be called once those who want its
 * effects listen.
 * @throws BCDB_OTHER_LOG, BCDB_FOLDER_DAMAGED, BASE_FOLDER_LOCKED: none of them has changed a file
 */
export async function openCopy(
  { dataDir, genesis: given, log }: Pick<FollowerOptions, 'dataDir' | 'genesis' | 'log'>,
  opened: AsyncDisposableStack,
): Promise<OpenLedger> {
  const genesis = requireGenesis(given, log);
  const folder = new BcdbFolder(dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  opened.use(await FolderLock.open(dataDir));
  await keepGenesis(folder, genesis);
  finishAdoption(folder);
  await removeStale(folder);
  return openLedger({ folder, genesis, opened });
}

/** Begins to follow, with a ledger that has caught up with its own log. */
export async function openReplica(
  options: Pick<FollowerOptions, 'dataDir' | 'source' | 'logger'> &
    Pick<ReplicaOptions, 'ledger' | 'onReached'>,
  opened: AsyncDisposableStack,
): Promise<Replica> {
  const { dataDir, logger = silentLogger, ...rest } = options;
  const signatures = opened.use(SignaturePool.open());
  const folder = new BcdbFolder(dataDir);
  const evidence = await Evidence.open(folder.evidence, logger);
  const verifier = new Verifier(nodePrimitives);
  const { stale: staleMark } = folder;
  return opened.use(new Replica({ ...rest, signatures, verifier, evidence, logger, staleMark }));
}

/** Removes what was made without payloads that are in the log now. */
async function removeStale(folder: BcdbFolder): Promise<void> {
  if (!existsSync(folder.stale)) return;
  for (const path of folder.judged) await rm(path, { recursive: true, force: true });
  // The mark is the last to go, also when power is lost.
  await syncFolder(folder.path);
  await rm(folder.stale);
}
