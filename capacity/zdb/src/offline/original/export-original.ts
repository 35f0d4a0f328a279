import fs from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { GridError } from '@commongrid/base';
import { isNewest } from '../../engine/reading/history.ts';
import type { Namespace } from '../../engine/namespace.ts';
import type { Store } from '../../engine/store.ts';
import type { ZdbErrorCode } from '../../errors.ts';
import { chosenNamespaces, openForExport, recordsOf } from '../export-folder.ts';
import { targetExists } from '../new-file.ts';
import { isFreeFolder, NewFolder } from '../new-folder.ts';
import { onFolder, Work } from '../work.ts';
import type { WorkOptions } from '../work.ts';
import { encodeNamespace, NAMESPACE_FILE } from './format.ts';
import type { OriginalFolders } from './read-original.ts';
import { OriginalWriter } from './write-original.ts';

export interface ExportOriginalOptions extends WorkOptions {
  /** Only this namespace. Default: all. */
  readonly namespace?: string;
  /** Size at which a data file is followed by the next. Default 256 MiB, less than 4 GiB. */
  readonly dataFileBytes?: number;
}

export interface ExportOriginalResult {
  readonly namespaces: readonly string[];
  readonly records: number;
  /** Settings that the original cannot keep. */
  readonly notKept: readonly string[];
}

const DATA_FILE_BYTES = 256 * 1024 * 1024;

/**
 * Writes a folder as the two folders of an original 0-db, which must be new or empty.
 * @throws ZDB_TARGET_EXISTS, ZDB_ORIGINAL_UNFIT, and as exportFolder
 */
export async function exportOriginal(
  folder: string,
  target: OriginalFolders,
  options: ExportOriginalOptions = {},
): Promise<ExportOriginalResult> {
  const { indexDir, dataDir } = target;
  for (const one of [indexDir, dataDir]) if (!isFreeFolder(one)) throw targetExists(one);
  return onFolder(folder, async () => {
    const store = await openForExport(folder);
    try {
      await using data = await NewFolder.begin(dataDir);
      await using index = await NewFolder.begin(indexDir);
      const making = { indexDir: index.path, dataDir: data.path };
      const result = await writeAll(store, making, options);
      await data.commit();
      await index.commit();
      // The original has a lock file of its own.
      for (const one of [indexDir, dataDir]) await rm(path.join(one, 'LOCK'));
      return result;
    } finally {
      await store.close();
    }
  });
}

async function writeAll(
  store: Store,
  folders: OriginalFolders,
  options: ExportOriginalOptions,
): Promise<ExportOriginalResult> {
  const namespaces = chosenNamespaces(store, options.namespace);
  for (const namespace of namespaces) refuseUnfit(namespace);
  const logBytes = store.table.segments.reduce((sum, { nextOffset }) => sum + nextOffset, 0);
  const work = new Work(options, logBytes * namespaces.length);
  const { dataFileBytes = DATA_FILE_BYTES } = options;
  let records = 0;
  for (const namespace of namespaces) {
    const { settings, nextId } = namespace;
    const indexDir = path.join(folders.indexDir, settings.name);
    const dataDir = path.join(folders.dataDir, settings.name);
    for (const one of [indexDir, dataDir]) fs.mkdirSync(one, { mode: 0o700 });
    const descriptor = encodeNamespace(settings);
    fs.writeFileSync(path.join(indexDir, NAMESPACE_FILE), descriptor, { mode: 0o600, flush: true });
    const { mode } = settings;
    using writer = new OriginalWriter({ indexDir, dataDir, mode, dataFileBytes });
    for await (const { record, entry, segment } of recordsOf(store, [namespace], true, work)) {
      writer.add(record, isNewest(namespace, segment, entry));
      records++;
    }
    writer.finish(nextId);
  }
  return {
    namespaces: namespaces.map(({ settings }) => settings.name),
    records,
    notKept: namespaces.flatMap(notKept),
  };
}

function refuseUnfit({ settings: { name, password } }: Namespace): void {
  const isPath = name.includes('/') || name === '.' || name === '..' || name.includes('\0');
  const isLong = Buffer.byteLength(name) > 128 || Buffer.byteLength(password) > 255;
  if (!isPath && !isLong) return;
  throw new GridError<ZdbErrorCode>(
    'ZDB_ORIGINAL_UNFIT',
    `namespace ${name} has a name or password that the original cannot keep`,
    { hint: 'export the others one by one: --namespace NAME', details: { name } },
  );
}

function notKept({ settings }: Namespace): string[] {
  const { name, isLocked, isFrozen, epoch, history } = settings;
  return [
    ...(isLocked ? [`${name}: lock`] : []),
    ...(isFrozen ? [`${name}: freeze`] : []),
    ...(epoch > 0 ? [`${name}: epoch ${epoch}`] : []),
    ...(history.keep === 'all' ? [] : [`${name}: history ${history.keep}`]),
  ];
}
