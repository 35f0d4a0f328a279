import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { closeOnce, FolderLock, GridError, systemClock } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import { BcdbFolder } from '../config.ts';
import type { BcdbErrorCode } from '../errors.ts';
import { finishAdoption } from '../follow/adopt-handover.ts';
import { keyMissing, loadGenesis, settleKey } from '../genesis-file.ts';
import { openEngine } from '../ledger/open-ledger.ts';
import type { PostgresServers } from '../ledger/open-ledger.ts';
import type { LogEngine } from '../log/log-engine.ts';
import { checkRecord } from '../record/checked-record.ts';
import { logIdOf } from '../record/genesis.ts';
import type { Genesis } from '../record/genesis.ts';
import { logNamespace } from '../record/system-records.ts';
import { toBase64url } from '../tree/base64.ts';
import { CheckpointSigner } from '../tree/checkpoint-signer.ts';
import { parseCheckpoint } from '../tree/checkpoint.ts';
import { parseNote } from '../tree/signed-note.ts';

export interface StoppedOptions {
  /** PostgreSQL servers that keep the log, as for `Bcdb.open`; it is only read. */
  readonly postgres?: PostgresServers | undefined;
}

interface StoppedParts {
  readonly folder: BcdbFolder;
  readonly genesis: Genesis;
  readonly key: SigningKey | undefined;
  readonly engine: LogEngine;
  readonly close: () => Promise<void>;
}

/** The log of a folder that no server uses, a copy's too: locked as long as it is open. */
export class StoppedFolder implements AsyncDisposable {
  readonly folder: BcdbFolder;
  readonly genesis: Genesis;
  readonly engine: LogEngine;
  readonly close: () => Promise<void>;
  readonly #key: SigningKey | undefined;

  private constructor({ folder, genesis, key, engine, close }: StoppedParts) {
    this.folder = folder;
    this.genesis = genesis;
    this.engine = engine;
    this.close = closeOnce(close);
    this.#key = key;
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
    const key = isCopy(folder)
      ? undefined
      : await settleKey(folder, await lastSequencer(engine, genesis));
    const parts = opened.move();
    const close = (): Promise<void> => parts.disposeAsync();
    return new StoppedFolder({ folder, genesis, key, engine, close });
  }

  /** Hash of the genesis, base64url. */
  get log(): string {
    return toBase64url(logIdOf(this.genesis));
  }

  /** Orders the records. @throws BCDB_FOLDER_DAMAGED in a copy, which has none */
  get sequencerKey(): SigningKey {
    if (this.#key === undefined) throw keyMissing(this.folder);
    return this.#key;
  }

  /** The newest head that others believe: of a copy the last that it reached. */
  async signedHead(): Promise<{ readonly size: number; readonly note: string }> {
    if (this.#key === undefined) {
      const note = await readFile(this.folder.checkpoint, 'utf8');
      return { size: parseCheckpoint(parseNote(note).text).size, note };
    }
    const { head } = this.engine;
    const signer = new CheckpointSigner(this.#key, this.log);
    return { size: head.size, note: signer.signAt(head, Math.floor(systemClock.nowMs() / 1000)) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A folder that follows another has what was signed there, and nothing to sign with. */
function isCopy({ checkpoint, sequencerKey, pendingHandover }: BcdbFolder): boolean {
  return existsSync(checkpoint) && !existsSync(sequencerKey) && !existsSync(pendingHandover);
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
