import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { runImageService } from './run-image-service.ts';

/** `image-service-process.ts FOLDER SESSION`: with folders, hubs and Zero-DBs as sources. */
await runImageService(process.argv.slice(2), ({ kind }) => {
  const message = `nothing here opens a source of kind ${kind}`;
  throw new GridError<FlistErrorCode>('FLIST_SERVICE_CONFIG_INVALID', message, {
    hint: 'start the service with the program that wrote its service.json',
  });
});
