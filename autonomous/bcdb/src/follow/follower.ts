import { mkdir } from 'node:fs/promises';
import { closeOnce, FolderLock, silentLogger, writeFileAtomic } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import { canonicalBytes } from '@commongrid/crypto';
import { BcdbFolder } from '../config.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Genesis } from '../record/genesis.ts';
import { requireGenesis } from '../record/genesis.ts';
import { Evidence } from '../sequencer/evidence.ts';
import { SignaturePool } from '../sequencer/signature-pool.ts';
import { nodePrimitives } from '../tree/node-primitives.ts';
import { Verifier } from '../tree/verifier.ts';
import { finishAdoption } from './adopt-handover.ts';
import type { LogSource } from './log-source.ts';
import { Replica } from './replica.ts';

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
    const { dataDir, source, logger = silentLogger } = options;
    const genesis = requireGenesis(options.genesis, options.log);
    const folder = new BcdbFolder(dataDir);
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await writeFileAtomic(folder.genesis, canonicalBytes(genesis), { mode: 0o600 });
    await using opened = new AsyncDisposableStack();
    opened.use(await FolderLock.open(dataDir));
    finishAdoption(folder);
    const { ledger } = await openLedger({ folder, genesis, opened });
    await ledger.catchUp();
    const signatures = opened.use(SignaturePool.open());
    const evidence = await Evidence.open(folder.evidence, logger);
    const verifier = new Verifier(nodePrimitives);
    const replica = opened.use(
      new Replica({ ledger, source, signatures, verifier, evidence, logger }),
    );
    const parts = opened.move();
    return new Follower(ledger, replica, () => parts.disposeAsync());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
