import { createLogger, errorCode, shutdownSignal } from '@commongrid/base';

import { holdFuse } from './fuse-holder.ts';

/** `fuse-holder-process.ts FOLDER PROGRAM [ARGUMENT...]`: see `holdFuse`. */
const [folder, ...program] = process.argv.slice(2);
const logger = createLogger('flist-holder');
if (folder === undefined || program.length === 0) {
  logger.error({}, 'it needs a folder and a program');
  process.exitCode = 2;
} else {
  try {
    await holdFuse({ folder, program, logger, signal: shutdownSignal() });
  } catch (error) {
    logger.error({ err: error, code: errorCode(error) }, 'the file system cannot be held');
    process.exitCode = 1;
  }
}
