import { readFile } from 'node:fs/promises';

import { errorCode, GridError } from '@commongrid/base';
import { canonicalHash, parseCanonical } from '@commongrid/crypto';

import type { GridErrorCode } from './errors.ts';

/** Which log, and whose signature its checkpoints carry. */
export interface LogTrust {
  /** Hash of the genesis, base64url. */
  readonly log: string;
  readonly sequencerKey: string;
}

/** The trust that the genesis of a database on this machine gives. @throws GRID_FILE_UNREADABLE */
export async function trustOfGenesis(file: string): Promise<LogTrust> {
  try {
    const genesis = parseCanonical(await readFile(file));
    const { sequencer } = genesis as { readonly sequencer?: unknown };
    if (typeof sequencer === 'string') {
      const log = Buffer.from(canonicalHash(genesis)).toString('base64url');
      return { log, sequencerKey: sequencer };
    }
    throw new TypeError('it is no genesis');
  } catch (error) {
    const why = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'give --log and --sequencer instead',
      details: { file },
      cause: error,
    });
  }
}
