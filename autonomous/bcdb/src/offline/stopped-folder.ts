import { existsSync } from 'node:fs';
import { closeOnce, GridError, systemClock } from '@commongrid/base';
import { BcdbFolder } from '../config.ts';
import type { BcdbErrorCode } from '../errors.ts';
import { loadIdentity } from '../genesis-file.ts';
import type { LogIdentity } from '../genesis-file.ts';
import { EmbeddedLog } from '../log/embedded/embedded-log.ts';
import { base64url, logIdOf } from '../record/genesis.ts';
import { CheckpointSigner } from '../tree/checkpoint-signer.ts';

/** The log of a folder that no server uses: locked as long as it is open. */
export class StoppedFolder implements AsyncDisposable {
  readonly folder: BcdbFolder;
  readonly identity: LogIdentity;
  readonly engine: EmbeddedLog;
  readonly close: () => Promise<void>;

  private constructor(folder: BcdbFolder, identity: LogIdentity, engine: EmbeddedLog) {
    this.folder = folder;
    this.identity = identity;
    this.engine = engine;
    this.close = closeOnce(() => engine.close());
  }

  /** @throws BCDB_FOLDER_MISSING, BCDB_FOLDER_DAMAGED, BASE_FOLDER_LOCKED, BCDB_LOG_CORRUPT */
  static async open(dataDir: string): Promise<StoppedFolder> {
    const folder = new BcdbFolder(dataDir);
    if (!existsSync(folder.genesis)) throw missing(dataDir);
    const identity = await loadIdentity(folder);
    const log = logIdOf(identity.genesis);
    const engine = await EmbeddedLog.open({ folder: folder.log, log });
    return new StoppedFolder(folder, identity, engine);
  }

  /** Hash of the genesis, base64url. */
  get log(): string {
    return base64url(logIdOf(this.identity.genesis));
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

function missing(dataDir: string): GridError<BcdbErrorCode> {
  return new GridError('BCDB_FOLDER_MISSING', `there is no database in ${dataDir}`, {
    hint: 'give the folder of grid bcdb serve --data',
    details: { folder: dataDir },
  });
}
