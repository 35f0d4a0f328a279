import { readFile } from 'node:fs/promises';

import { createLogger, onShutdownSignals } from '@commongrid/base';

import { fuseDescriptor } from '../fuse/fuse-holder.ts';
import type { FuseSession } from '../fuse/fuse-wire.ts';
import type { ChunkSource } from '../ports.ts';
import { DirectorySource } from '../sources/directory-source.ts';
import { HttpSource } from '../sources/http-source.ts';
import { SourceSet } from '../sources/source-set.ts';
import type { SourceSpec } from '../sources/source-set.ts';
import { ZdbSource } from '../sources/zdb-source.ts';
import { ImageService } from './image-service.ts';
import { readServiceConfig } from './service-config.ts';
import type { PluggedSource, ServiceSource } from './service-config.ts';

/** Opens a source of a kind that is not built in. What it throws keeps the service from starting. */
export type OpenPlugged = (source: PluggedSource) => ChunkSource;

/**
 * The image service of a store in a process that the holder started with the words FOLDER SESSION. It
 * ends with 0 in order, with anything else to be started again.
 */
export async function runImageService(
  words: readonly string[],
  openPlugged: OpenPlugged,
): Promise<void> {
  const [folder = '', session = '{}'] = words;
  const logger = createLogger('flist-service');
  const { maxBytes, mode, sources } = await readServiceConfig(folder);
  await using set = new SourceSet({
    sources: await openSources(sources, openPlugged),
    onEvent: (event) => logger.warn({ ...event }, 'a source failed'),
  });
  const reloadSources = async (): Promise<void> => {
    const next = await readServiceConfig(folder);
    await set.replace(await openSources(next.sources, openPlugged));
  };
  await using service = await ImageService.open({
    ...{ folder, maxBytes, mode, sources: set, reloadSources, logger },
    fd: fuseDescriptor,
    session: JSON.parse(session) as FuseSession,
  });
  using _signals = onShutdownSignals(() => service.stop());
  try {
    await service.ended;
  } catch (error) {
    logger.error({ err: error }, 'the file system cannot be served any more');
    // In order it would wait for what nobody answers now; the next one takes over from any end.
    process.kill(process.pid, 'SIGKILL');
  }
}

function openSources(
  sources: readonly ServiceSource[],
  openPlugged: OpenPlugged,
): Promise<SourceSpec[]> {
  return Promise.all(
    sources.map(async (source) => ({ source: await openSource(source, openPlugged) })),
  );
}

/** None of them connects before it is asked for something. */
async function openSource(source: ServiceSource, openPlugged: OpenPlugged): Promise<ChunkSource> {
  if ('folder' in source) return new DirectorySource(source.folder);
  if ('url' in source) return new HttpSource(source);
  if ('kind' in source) return openPlugged(source);
  const { host, port, namespace, passwordFile } = source.zdb;
  const secret = passwordFile === undefined ? undefined : await readFile(passwordFile, 'utf8');
  return new ZdbSource({
    ...{ host, port, namespace },
    ...(secret === undefined ? {} : { password: secret.trim() }),
  });
}
