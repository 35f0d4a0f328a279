import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError, isGridError, writeFileAtomic } from '@commongrid/base';
import type { Trust } from '@commongrid/bcdb/browser';
import { canonicalHash } from '@commongrid/crypto';

import type { GridErrorCode } from './errors.ts';
import type { GridHome } from './home.ts';

/** A head of a log as a command saw and verified it. */
export interface KeptHead {
  readonly size: number;
  /** The checkpoint: a signed note. */
  readonly note: string;
  /** Handovers that were learned, so that the next command need not ask for them. */
  readonly handovers?: Trust['handovers'];
}

/** Files with contradictions of one log; of more only the code is told. */
const evidenceFilesMax = 100;

/** Of them those that a server may have made up of old heads: they leave room for what is proven. */
const unprovenFilesMax = 10;

/**
 * The newest head that commands saw of one log, so that the next one notices when the log went back or
 * is another:
 *
 *     heads/LOG.KEY/17.head         a head of 17 records
 *     heads/LOG.KEY/HASH.evidence   two signed heads that contradict each other
 *     heads/LOG.KEY/HASH.unproven.evidence   two that do so only by what the server says
 *
 * Each head is a file of its own, and whoever keeps one removes those with less: of commands that run
 * at the same time the one that saw more wins, without a lock.
 */
export class SeenHeads {
  readonly #folder: string;

  constructor(home: GridHome, { log, sequencerKey }: Trust) {
    this.#folder = join(home.heads, `${log}.${sequencerKey.replace(/^ed25519:/, '')}`);
  }

  /** @throws GRID_FILE_UNREADABLE: what cannot be read must not pass for nothing seen */
  async newest(): Promise<KeptHead | undefined> {
    const size = Math.max(...(await this.#sizes()));
    if (!Number.isFinite(size)) return undefined;
    const file = this.#fileOf(size);
    try {
      const kept = JSON.parse(await readFile(file, 'utf8')) as Partial<KeptHead>;
      if (typeof kept.note === 'string') return { ...kept, note: kept.note, size };
      throw new TypeError('it is no head');
    } catch (error) {
      // Another command has seen more meanwhile.
      if (errorCode(error) === 'ENOENT') return this.newest();
      throw unreadable(file, error);
    }
  }

  /** Keeps a head that was verified, unless as much was seen already. @throws the system's error */
  async keep({ size, note, handovers }: KeptHead): Promise<void> {
    const sizes = await this.#sizes();
    if (sizes.some((seen) => seen >= size)) return;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const head = { schema: 'grid.bcdb.head.1', note, ...(handovers && { handovers }) };
    await writeFileAtomic(this.#fileOf(size), `${JSON.stringify(head)}\n`, { mode: 0o600 });
    await this.#remove(sizes);
  }

  /** The evidence stays. */
  async forget(): Promise<void> {
    await this.#remove(await this.#sizes());
  }

  /**
   * Writes down that two signed heads contradict each other. Returns the file; undefined when there
   * is no room for more.
   */
  async keepEvidence(error: GridError): Promise<string | undefined> {
    const { code, message, details } = error;
    const names = await this.#names();
    // The time in a note changes each second; what it signs is in its first lines.
    const heads = [details['seen'], details['shown']].map((note) =>
      String(note).split('\n').slice(0, 3),
    );
    const hash = Buffer.from(canonicalHash([code, heads])).toString('base64url');
    const isProven = details['isProven'] === true;
    const ending = isProven ? '.evidence' : '.unproven.evidence';
    const name = `${hash.slice(0, 16)}${ending}`;
    const file = join(this.#folder, name);
    if (names.includes(name)) return file;
    const isFull = (kind: string, max: number): boolean =>
      names.filter((one) => one.endsWith(kind)).length >= max;
    if (isFull('.evidence', evidenceFilesMax)) return undefined;
    if (!isProven && isFull(ending, unprovenFilesMax)) return undefined;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const at = new Date().toISOString();
    const evidence = { schema: 'grid.bcdb.evidence.1', at, code, message, ...details };
    await writeFileAtomic(file, `${JSON.stringify(evidence)}\n`, { mode: 0o600 });
    return file;
  }

  #fileOf(size: number): string {
    return join(this.#folder, `${size}.head`);
  }

  async #sizes(): Promise<readonly number[]> {
    const names = await this.#names();
    return names.flatMap((name) => (/^\d{1,16}\.head$/.test(name) ? [parseInt(name, 10)] : []));
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#folder);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw unreadable(this.#folder, error);
    }
  }

  async #remove(sizes: readonly number[]): Promise<void> {
    for (const size of sizes) await rm(this.#fileOf(size), { force: true });
  }
}

/** Whether a server showed a log that cannot be the one that was seen before. */
export function isContradiction(error: unknown): error is GridError {
  return (
    isGridError(error, 'BCDB_LOG_ROLLED_BACK') ||
    isGridError(error, 'BCDB_LOG_FORKED') ||
    isGridError(error, 'BCDB_HANDED_OVER')
  );
}

function unreadable(path: string, error: unknown): GridError<GridErrorCode> {
  const why = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
  return new GridError('GRID_FILE_UNREADABLE', `cannot read ${path}: ${why}`, {
    hint: 'mend its rights; removing it forgets what was seen of that log',
    details: { file: path },
    cause: error,
  });
}
