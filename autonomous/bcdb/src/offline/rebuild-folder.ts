import { rm } from 'node:fs/promises';
import { openLedger } from '../ledger/open-ledger.ts';
import type { OpenLedger } from '../ledger/open-ledger.ts';
import { EffectFeed } from '../projection/effect-feed.ts';
import { ProjectionService } from '../projection/projection-service.ts';
import type { BcdbFolder } from '../config.ts';
import { loadGenesis } from '../genesis-file.ts';
import { StoppedFolder } from './stopped-folder.ts';
import type { StoppedOptions } from './stopped-folder.ts';

interface FollowingOptions extends StoppedOptions {
  readonly onFinding?: (finding: string) => void;
}

export interface RebuildReport {
  readonly log: string;
  readonly records: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
}

/**
 * Throws away what follows from the log of a folder that no server uses (tree, state, projection)
 * and makes it anew. The log itself is only read; signatures are not verified again.
 * @throws BCDB_FOLDER_MISSING, BASE_FOLDER_LOCKED, BCDB_LOG_CORRUPT
 */
export async function rebuildFolder(
  dataDir: string,
  options: StoppedOptions = {},
): Promise<RebuildReport> {
  const startedMs = performance.now();
  const { folder, log } = await clear(dataDir, options);
  await using opened = new AsyncDisposableStack();
  const { ledger } = await openFollowing(folder, opened, options);
  const { size: records } = ledger.head;
  const seconds = (performance.now() - startedMs) / 1000;
  return {
    log,
    records,
    seconds: Math.round(seconds * 1000) / 1000,
    recordsPerSecond: Math.round(records / seconds),
  };
}

/** Opens the log of a folder with all that follows from it, brought up to its head. */
export async function openFollowing(
  folder: BcdbFolder,
  opened: AsyncDisposableStack,
  { postgres, onFinding = () => {} }: FollowingOptions = {},
): Promise<OpenLedger> {
  const genesis = await loadGenesis(folder);
  const parts = await openLedger({ folder, genesis, opened, postgres, isReader: true });
  const { ledger } = parts;
  await using projection = await ProjectionService.open({
    folder: folder.projection,
    catchUp: (from) => ledger.effects(from),
    rootAt: (size) => (size <= ledger.head.size ? ledger.rootAt(size) : undefined),
    onEvent: (event) => {
      if (event.kind === 'rebuilt') onFinding(event.finding);
    },
  });
  const feed = new EffectFeed(projection);
  ledger.listen((batch) => feed.push(batch));
  await ledger.catchUp();
  if (ledger.head.size > 0) await projection.waitFor(ledger.head.size - 1);
  return parts;
}

/** The lock is held meanwhile: no server can be at work. */
async function clear(
  dataDir: string,
  options: StoppedOptions,
): Promise<{ folder: BcdbFolder; log: string }> {
  await using stopped = await StoppedFolder.open(dataDir, options);
  const { folder, log } = stopped;
  for (const path of folder.derived) await rm(path, { recursive: true, force: true });
  return { folder, log };
}
