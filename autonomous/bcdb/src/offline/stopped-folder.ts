import { existsSync } from 'node:fs';
import { closeOnce, FolderLock, GridError, systemClock } from '@commongrid/base';
import { BcdbFolder } from '../config.ts';
import type { BcdbErrorCode } from '../errors.ts';
import { finishAdoption } from '../follow/adopt-handover.ts';
import { loadGenesis, settleKey } from '../genesis-file.ts';
import type { LogIdentity } from '../genesis-file.ts';
import { openEngine } from '../ledger/open-ledger.ts';
import type { PostgresServers } from '../ledger/open-ledger.ts';
import type { LogEngine } from '../log/log-engine.ts';
import { checkRecord } from '../record/checked-record.ts';
import { logIdOf } from '../record/genesis.ts';
import type { Genesis } from '../record/genesis.ts';
import { logNamespace } from '../record/system-records.ts';
import { toBase64url } from '../tree/base64.ts';
import { CheckpointSigner } from '../tree/checkpoint-signer.ts';

export interface StoppedOptions {
  /** PostgreSQL servers that keep the log, as for `Bcdb.open`; it is only read. */
  readonly postgres?: PostgresServers | undefined;
}

/** The log of a folder that no server uses: locked as long as it is open. */
export class StoppedFolder implements AsyncDisposable {
  readonly folder: BcdbFolder;
  readonly identity: LogIdentity;
  readonly engine: LogEngine;
  readonly close: () => Promise<void>;

  private constructor(
    folder: BcdbFolder,
    identity: LogIdentity,
    engine: LogEngine,
    close: () => Promise<void>,
  ) {
    this.folder = folder;
    this.identity = identity;
    this.engine = engine;
    this.close = closeOnce(close);
  }

  /** @throws BCDB_FOLDER_MISSING, BCDB_FOLDER_DAMAGED, BASE_FOLDER_LOCKED, BCDB_LOG_CORRUPT */
  static async open(dataDir: string, { postgres }: StoppedOptions = {}): Promise<StoppedFolder> {
    const folder = new BcdbFolder(dataDir);
    if (!existsSync(folder.genesis)) throw missing(dataDir);
    await using opened = new AsyncDisposableStack();
    opened.use(await FolderLock.open(dataDir));
    finishAdoption(folder);
    if (postgres === undefined && !existsSync(folder.log)) throw logElsewhere(dataDir);
    const genesis = await loadGenesis(folder);
    const engine = opened.use(await openEngine({ folder, genesis, postgres, isReader: true }));
    const sequencerKey = await settleKey(folder, await lastSequencer(engine, genesis));
    const parts = opened.move();
    const close = (): Promise<void> => parts.disposeAsync();
    return new StoppedFolder(folder, { genesis, sequencerKey }, engine, close);
  }

  /** Hash of the genesis, base64url. */
  get log(): string {
    return toBase64url(logIdOf(this.identity.genesis));
  }

  /** A signed note over the head of the log. */
  checkpoint(): string {
    const signer = new CheckpointSigner(this.identity.sequencerKey, this.log);
    return signer.signAt(this.engine.head, Math.floor(systemClock.nowMs() / 1000));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Records looked at in one step back to the last one of the sequencer. */
const stepRecords = 256;

/** Only the sequencer of the moment writes into the log's own namespace, and it ticks all the time. */
async function lastSequencer(engine: LogEngine, genesis: Genesis): Promise<string> {
  for (let end = engine.head.size; end > 0; end -= stepRecords) {
    let author: string | undefined;
    for await (const group of engine.read(Math.max(0, end - stepRecords), end)) {
      for (const entry of group) {
        const { envelope } = checkRecord(entry, { mayBeErased: true });
        if (envelope.ns === logNamespace) author = envelope.author;
      }
    }
    if (author !== undefined) return author;
  }
  return genesis.sequencer;
}

function logElsewhere(dataDir: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_FOLDER_MISSING', `there is no log in ${dataDir}`, {
    hint: 'if it is in PostgreSQL, say so: --postgres-file FILE',
    details: { folder: dataDir },
  });
}

function missing(dataDir: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_FOLDER_MISSING', `there is no database in ${dataDir}`, {
    hint: 'give the folder of grid bcdb serve --data',
    details: { folder: dataDir },
  });
}
