import { runImageService } from '@commongrid/flist';

import { openPlugged } from './open-source.ts';

/** `image-service-process.ts FOLDER SESSION`: with Zero-Stors among the sources, too. */
await runImageService(process.argv.slice(2), openPlugged);
