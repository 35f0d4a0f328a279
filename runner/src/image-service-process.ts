import { join } from 'node:path';

import { GridError } from '@commongrid/base';
import { runImageService } from '@commongrid/flist';
import type { ChunkSource, FlistErrorCode, PluggedSource } from '@commongrid/flist';
import type { Stor } from '@commongrid/zstor';

import { usualShape, usualShards } from './commands/zstor/store.ts';
import { ZstorSource } from './zstor-source.ts';

/** `image-service-process.ts FOLDER SESSION`: with Zero-Stors among the sources, too. */
await runImageService(process.argv.slice(2), openPlugged);

function openPlugged({ kind, options }: PluggedSource): ChunkSource {
  const { data, backends } = options;
  if (kind !== 'zstor' || data === undefined || backends === undefined) throw unfit(kind);
  const { keyFile = join(data, 'key') } = options;
  return new ZstorSource({
    name: `zstor:${data}`,
    open: async (signal): Promise<Stor> => {
      const { checkPolicy, Stor: Store } = await import('@commongrid/zstor');
      const policy = checkPolicy({ ...usualShape, ...usualShards });
      return Store.open({ folder: data, backendsFile: backends, keyFile, policy, signal });
    },
  });
}

function unfit(kind: string): GridError<FlistErrorCode> {
  const message = `a source of kind ${kind} cannot be opened with what service.json says of it`;
  return new GridError('FLIST_SERVICE_CONFIG_INVALID', message, {
    hint: 'take it off, and on again: grid flist sources remove',
  });
}
