import type { ResolvedOptions } from '../config.ts';
import { Replication, finishSetAside } from '../replication/replication.ts';
import { StateFile } from '../replication/replication-state.ts';
import { restoreNextIds } from './sequential.ts';
import type { ServerContext } from './server-context.ts';

/**
 * Looks what part a folder has in replication, before its store is opened, and finishes what a crash
 * interrupted. A folder that was given a master stays a replica until it is promoted.
 * @throws GridError ZDB_REPLICATION_STATE_INVALID
 */
export function prepareFolder({ files, dataDir, replicaOf }: ResolvedOptions): StateFile {
  const stateFile = StateFile.load(files, dataDir);
  if (replicaOf !== undefined) stateFile.change({ role: 'replica' });
  finishSetAside(files, dataDir, stateFile);
  return stateFile;
}

/** Begins to follow the master, or to serve replicas. */
export function openReplication(context: ServerContext, stateFile: StateFile): Replication {
  const { store, config, events, clock, logger, confirmation } = context;
  const replication = new Replication({
    store,
    files: config.files,
    folder: config.dataDir,
    stateFile,
    source: config.replicaOf,
    minReplicas: config.minReplicas,
    retentionMs: config.replicaRetentionMs,
    confirmation,
    clock,
    logger,
    emit: (event) => events.emit(event),
    onRewound: () => {
      context.settingsSequence = 0;
    },
    onPromoted: async () => {
      await restoreNextIds(store);
      context.settingsSequence = store.log.lastSequence;
    },
  });
  context.replication = replication;
  replication.start();
  if (replication.role === 'replica' && config.replicaOf === undefined) {
    logger.warn(
      'this folder is a replica and was given no master: it answers reads until promoted',
    );
  }
  return replication;
}
