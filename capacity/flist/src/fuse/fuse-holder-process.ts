import { createLogger, errorCode, shutdownSignal } from '@commongrid/base';

import { holdFuse } from './fuse-holder.ts';

/** `fuse-holder-process.ts MOUNTPOINT PROGRAM [ARGUMENT...]`: see `holdFuse`. */
const [mountPoint, ...program] = process.argv.slice(2);
const logger = createLogger('flist-holder');
if (mountPoint === undefined || program.length === 0) {
  logger.error({}, 'it needs a mount point and a program');
  process.exitCode = 2;
} else {
  try {
    await holdFuse({ mountPoint, program, logger, signal: shutdownSignal() });
  } catch (error) {
    logger.error({ err: error, code: errorCode(error) }, 'the file system cannot be held');
    process.exitCode = 1;
  }
}
