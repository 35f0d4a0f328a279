import { readFile } from 'node:fs/promises';

import { createLogger, GridError, onShutdownSignals } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
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

/** Opens a source of a kind that is not built in. What it throws is why that source fails. */
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
    sources: await openSources(sources, openAnyhow(openPlugged, logger)),
    onEvent: (event) => logger.warn({ ...event }, 'a source failed'),
  });
  const reloadSources = async (): Promise<void> => {
    const next = await readServiceConfig(folder);
    const open = (source: ServiceSource): Promise<ChunkSource> => openSource(source, openPlugged);
    await set.replace(await openSources(next.sources, open));
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

type Open = (source: ServiceSource) => Promise<ChunkSource>;

function openSources(sources: readonly ServiceSource[], open: Open): Promise<SourceSpec[]> {
  return Promise.all(sources.map(async (source) => ({ source: await open(source) })));
}

/**
 * For the start: who reads in mounts waits for a service, so one source that cannot be opened is no
 * reason to have none. It fails, and the others are asked.
 */
function openAnyhow(openPlugged: OpenPlugged, logger: Logger): Open {
  return (source) =>
    openSource(source, openPlugged).catch((cause: unknown) => {
      const name = nameOf(source);
      logger.warn({ err: cause, source: name }, 'a source cannot be opened');
      const why = cause instanceof Error ? cause.message : String(cause);
      return {
        name,
        fetch: () => {
          throw new GridError<FlistErrorCode>('FLIST_SOURCE_FAILED', `cannot be opened: ${why}`, {
            retryable: true,
            details: { source: name },
            cause,
          });
        },
        [Symbol.asyncDispose]: async () => {},
      };
    });
}

function nameOf(source: ServiceSource): string {
  if ('folder' in source) return source.folder;
  if ('url' in source) return source.url;
  if ('kind' in source) return source.kind;
  return `zdb://${source.zdb.host}:${source.zdb.port}/${source.zdb.namespace}`;
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
