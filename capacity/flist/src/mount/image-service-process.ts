import { createLogger, onShutdownSignals } from '@commongrid/base';

import { fuseDescriptor } from '../fuse/fuse-holder.ts';
import type { FuseSession } from '../fuse/fuse-wire.ts';
import { DirectorySource } from '../sources/directory-source.ts';
import { HttpSource } from '../sources/http-source.ts';
import { SourceSet } from '../sources/source-set.ts';
import { ImageService } from './image-service.ts';
import { readServiceConfig } from './service-config.ts';

/**
 * `image-service-process.ts FOLDER SESSION`, started by the holder: the image service of a store
 * with folders and hubs as sources. Ends with 0 in order, with anything else to be started again.
 */
const [folder = '', session = '{}'] = process.argv.slice(2);
const logger = createLogger('flist-service');
const config = await readServiceConfig(folder);
const sources = config.sources.map((source) => ({
  source: 'url' in source ? new HttpSource(source) : new DirectorySource(source.folder),
}));
await using set = new SourceSet({
  sources,
  onEvent: (event) => logger.warn({ ...event }, 'a source failed'),
});
await using service = await ImageService.open({
  folder,
  maxBytes: config.maxBytes,
  sources: set,
  fd: fuseDescriptor,
  session: JSON.parse(session) as FuseSession,
  mode: config.mode,
  logger,
});
using _signals = onShutdownSignals(() => service.stop());
try {
  await service.ended;
} catch (error) {
  logger.error({ err: error }, 'the file system cannot be served any more');
  // In order it would wait for what nobody answers now; the next one takes over from any end.
  process.kill(process.pid, 'SIGKILL');
}
