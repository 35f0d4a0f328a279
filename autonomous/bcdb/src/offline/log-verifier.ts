import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GridError, isGridError } from '@commongrid/base';
import type { BcdbErrorCode } from '../errors.ts';
import type { LogHead } from '../log/log-engine.ts';
import { checkRecord } from '../record/checked-record.ts';
import type { Entry } from '../record/entry.ts';
import type { Genesis } from '../record/genesis.ts';
import { logIdOf } from '../record/genesis.ts';
import type { SignatureCheck } from '../sequencer/signature-check.ts';
import { openSignatureCheck } from '../sequencer/signature-check.ts';
import type { Effect } from '../state/effect.ts';
import { Fold, logRecord } from '../state/fold.ts';
import { LayeredStore } from '../state/layered-store.ts';
import { StateView } from '../state/state-view.ts';
import { toBase64url } from '../tree/base64.ts';
import { HashStore } from '../tree/hash-store.ts';
import { treeHasher } from '../tree/node-hasher.ts';

/** The first record that is not as it should be. */
export interface LogFault {
  /** Its height: everything below it was verified. */
  readonly seq: number;
  readonly code: string;
  readonly message: string;
}

/** Records that were verified before their changes leave memory for the state's table. */
const recordsPerLayer = 1000;

/**
 * Verifies a log from its genesis alone, record after record: form, payload hash, signature, all
 * rules, and the tree. Nothing of it needs the server that wrote the log.
 */
export class LogVerifier implements AsyncDisposable {
  readonly log: string;
  readonly #store: LayeredStore;
  readonly #view: StateView;
  readonly #fold: Fold;
  readonly #hashes: HashStore;
  readonly #folder: string;
  readonly #checkSignature: SignatureCheck = openSignatureCheck();
  #inLayer = 0;
  #effects: readonly Effect[] = [];

  private constructor(genesis: Genesis, hashes: HashStore, folder: string) {
    this.log = toBase64url(logIdOf(genesis));
    this.#hashes = hashes;
    this.#folder = folder;
    this.#store = LayeredStore.open(':memory:');
    this.#view = new StateView(this.#store);
    this.#fold = new Fold({
      view: this.#view,
      log: this.log,
      genesis,
      hadHead: (size, root) => size <= hashes.size && toBase64url(hashes.rootAt(size)) === root,
    });
  }

  /** Its tree lies in a temporary folder until it is closed. */
  static async open(genesis: Genesis): Promise<LogVerifier> {
    const folder = await mkdtemp(join(tmpdir(), 'grid-bcdb-verify-'));
    const hashes = await HashStore.open({
      folder,
      head: { size: 0, root: treeHasher.emptyRoot },
      leafHashes: async function* none() {},
    });
    return new LogVerifier(genesis, hashes, folder);
  }

  /** Key whose log it is after the records verified so far. */
  get sequencer(): string {
    return this.#fold.handovers.sequencer;
  }

  /** Records verified so far, and the root over them. */
  get head(): LogHead {
    return { size: this.#hashes.size, root: this.#hashes.rootAt(this.#hashes.size) };
  }

  /** What the last record that was verified changed. */
  get effects(): readonly Effect[] {
    return this.#effects;
  }

  /** Verifies the next record; undefined when it is sound. */
  next(entry: Entry): LogFault | undefined {
    const seq = this.#hashes.size;
    try {
      const record = checkRecord(entry, { mayBeErased: true });
      this.#requireSignature(record.envelope.author, entry.leaf);
      const verdict = this.#fold.judge(logRecord(record, seq));
      if (verdict.refusal !== undefined) throw verdict.refusal;
      this.#effects = verdict.effects;
      this.#hashes.append([record.leafHash]);
    } catch (error) {
      if (!isGridError(error)) throw error;
      return { seq, code: error.code, message: error.message };
    }
    this.#inLayer++;
    if (this.#inLayer >= recordsPerLayer) this.#sink();
    return undefined;
  }

  async close(): Promise<void> {
    this.#store.close();
    await this.#hashes.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #requireSignature(author: string, leaf: Uint8Array): void {
    if (this.#checkSignature(author, leaf.subarray(0, -64), leaf.subarray(-64))) return;
    throw new GridError<BcdbErrorCode>(
      'BCDB_SIGNATURE_INVALID',
      `this is no signature of ${author} over the envelope`,
    );
  }

  #sink(): void {
    this.#inLayer = 0;
    this.#view.pushBatch();
    this.#store.sink();
  }
}
