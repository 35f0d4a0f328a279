import { readFile } from 'node:fs/promises';

import { BcdbClient } from '@commongrid/bcdb/client';
import { GridError, isGridError } from '@commongrid/base';
import { canonicalHash, rootKeyFromWords } from '@commongrid/crypto';
import type { JsonValue, SigningKey } from '@commongrid/crypto';

import type { LogTrust } from '../bcdb-trust.ts';
import { readWordsFile } from '../commands/bot/bot-folder.ts';
import type { GridErrorCode } from '../errors.ts';
import { readCard } from '../recovery-card.ts';

/** What somebody has who lost everything else. */
export interface RecoveryOptions {
  readonly card?: string;
  readonly wordsFile?: string;
  readonly log?: string;
  readonly url?: string;
}

/** A database that has the right log, and the root of a bot. */
export interface RecoveryOrigin {
  readonly words: string;
  readonly root: SigningKey;
  readonly url: string;
  readonly trust: LogTrust;
  /** Acts as the root. */
  readonly client: BcdbClient;
}

interface Given {
  readonly words: string;
  readonly log: string;
  /** Undefined where only the hash of the genesis is known, which says it. */
  readonly sequencer: string | undefined;
  readonly addresses: readonly string[];
}

/** @throws GRID_USAGE, GRID_FILE_UNREADABLE, CRYPTO_WORDS_INVALID, and what the last database throws */
export async function openOrigin(options: RecoveryOptions): Promise<RecoveryOrigin> {
  const { words, log, sequencer, addresses } = await given(options);
  const root = rootKeyFromWords(words);
  let thrown: unknown;
  for (const url of addresses) {
    try {
      const sequencerKey = sequencer ?? (await sequencerOf(url, log));
      const trust = { log, sequencerKey };
      return {
        words,
        root,
        url,
        trust,
        client: await BcdbClient.connect({ url, trust, key: root }),
      };
    } catch (error) {
      thrown = error;
      if (!isGridError(error)) throw error;
    }
  }
  throw thrown;
}

async function given(options: RecoveryOptions): Promise<Given> {
  const { card, wordsFile, log, url } = options;
  if (card !== undefined && wordsFile === undefined) {
    const { addresses, ...rest } = await readCardFile(card);
    return {
      ...rest,
      log: log ?? rest.log,
      sequencer: log === undefined ? rest.sequencer : undefined,
      addresses: url === undefined ? addresses : [url],
    };
  }
  if (card !== undefined || wordsFile === undefined || log === undefined || url === undefined) {
    throw new GridError<GridErrorCode>(
      'GRID_USAGE',
      'give --card, or --words-file with --log and --url',
      { hint: 'a card has all of it: grid bot card prints one' },
    );
  }
  return { words: await readWordsFile(wordsFile), log, sequencer: undefined, addresses: [url] };
}

async function readCardFile(file: string): Promise<ReturnType<typeof readCard>> {
  try {
    return readCard(await readFile(file, 'utf8'));
  } catch (cause) {
    if (isGridError(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `${file} is no card: ${why}`, {
      hint: 'type it as it was printed, or give --words-file, --log and --url',
      details: { file },
      cause,
    });
  }
}

/** The genesis that has this hash says who signs; a server cannot make up another one. */
async function sequencerOf(url: string, log: string): Promise<string> {
  const response = await fetch(new URL('/v1/log', url), {
    signal: AbortSignal.timeout(askMs),
  }).catch((cause: unknown) => {
    throw new GridError('BCDB_UNREACHABLE', `no database answers at ${url}`, {
      hint: 'see that it runs, and that the address is right',
      cause,
    });
  });
  const { genesis } = (await response.json()) as { readonly genesis?: JsonValue };
  const hash =
    genesis === undefined ? '' : Buffer.from(canonicalHash(genesis)).toString('base64url');
  const { sequencer } = (genesis ?? {}) as { readonly sequencer?: unknown };
  if (hash === log && typeof sequencer === 'string') return sequencer;
  throw new GridError('BCDB_OTHER_LOG', `the database at ${url} has another log`, {
    hint: 'name the database of the log that is on the card',
    details: { url, log },
  });
}

/** Time for a database to show its genesis, ms. */
const askMs = 10_000;
