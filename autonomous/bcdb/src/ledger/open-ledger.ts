import type { BcdbFolder } from '../config.ts';
import { EmbeddedLog } from '../log/embedded/embedded-log.ts';
import type { LogBatch, LogEngine } from '../log/log-engine.ts';
import type { PostgresLogOptions } from '../log/postgres/postgres-log.ts';
import type { Genesis } from '../record/genesis.ts';
import { logIdOf } from '../record/genesis.ts';
import { LayeredStore } from '../state/layered-store.ts';
import { HashStore } from '../tree/hash-store.ts';
import { treeHasher } from '../tree/node-hasher.ts';
import { Ledger } from './ledger.ts';

/** Where a log is kept outside its folder. */
export type PostgresServers = Omit<PostgresLogOptions, 'log'>;

export interface OpenLedgerOptions {
  readonly folder: BcdbFolder;
  readonly genesis: Genesis;
  /** Receives what has to be closed, the last one first. */
  readonly opened: AsyncDisposableStack;
  /** Servers that keep the log in place of the folder's own files. */
  readonly postgres?: PostgresServers | undefined;
  /** Whether a log in PostgreSQL is left to who writes it: nothing can be appended then. */
  readonly isReader?: boolean;
  /** What an empty log begins with. */
  readonly first?: LogBatch;
}

export interface OpenLedger {
  readonly ledger: Ledger;
  readonly engine: LogEngine;
  readonly hashes: HashStore;
}

/**
 * Opens the log of a folder with its tree and its state. `ledger.catchUp` has to be called once those
 * who want its effects listen.
 */
export async function openLedger(options: OpenLedgerOptions): Promise<OpenLedger> {
  const { folder, genesis, opened, first } = options;
  const engine = opened.use(await openEngine(options));
  if (first !== undefined && engine.head.size === 0) await engine.append(first);
  const hashes = opened.use(
    await HashStore.open({
      folder: folder.tree,
      head: engine.head,
      leafHashes: (from, to) => leafHashesOf(engine, from, to),
    }),
  );
  const store = opened.use(LayeredStore.open(folder.state));
  const ledger = Ledger.open({ engine, hashes, store, genesis });
  opened.defer(() => ledger.close());
  return { ledger, engine, hashes };
}

/** The log of a folder, wherever it is. */
export async function openEngine({
  folder,
  genesis,
  postgres,
  isReader = false,
}: Omit<OpenLedgerOptions, 'opened' | 'first'>): Promise<LogEngine> {
  const log = logIdOf(genesis);
  if (postgres === undefined) return EmbeddedLog.open({ folder: folder.log, log });
  // Few need it, and its driver takes a while to load.
  if (isReader) {
    const { PostgresReader } = await import('../log/postgres/postgres-reader.ts');
    return PostgresReader.open({ ...postgres, log });
  }
  const { PostgresLog } = await import('../log/postgres/postgres-log.ts');
  return PostgresLog.open({ ...postgres, log });
}

async function* leafHashesOf(
  engine: LogEngine,
  from: number,
  to: number,
): AsyncGenerator<readonly Uint8Array[]> {
  for await (const group of engine.read(from, to)) {
    yield group.map(({ leaf }) => treeHasher.leafHash(leaf));
  }
}
