import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { delay, errorCode, GridError, isGridError, writeFileAtomic } from '@commongrid/base';
import { canonicalBytes, PublicKey } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';
import { parse } from '@commongrid/model';
import type { GridRecord, RecordUrl } from '@commongrid/model';
import type { NodeErrorCode } from '../errors.ts';
import type { NodeSession, NodeStatement, SourceChange, WorkloadSource } from '../ports.ts';

export interface FolderSourceOptions {
  /** Files `SEQ.json`, each a signed record; what the node says goes to `said/`. */
  readonly folder: string;
  /** Hash of the genesis: signatures are for one log. */
  readonly log: string;
  /** Key of the node. */
  readonly key: SigningKey;
}

/** A record with its author's signature, as a file has it. */
export interface SignedRecord extends GridRecord {
  /** Ed25519 over the canonical text of the rest, base64url. */
  readonly signature: string;
}

const domain = 'commongrid/folder-record/1';
/** How often the folder is looked at, ms. */
const lookEveryMs = 500;
/** What changes once more so soon can have the same time, ms. */
const settleMs = 1_000;
/** Records that are read in one go. */
const batchMax = 256;

/**
 * A folder of signed files as a source: for tests, and for machines without any network. Whoever
 * writes into the folder stands in for the sequencer: order and time of the records are their word,
 * what each says is its author's.
 */
export class FolderSource implements WorkloadSource {
  readonly log: string;
  readonly #options: FolderSourceOptions;
  #isThere = true;

  constructor(options: FolderSourceOptions) {
    this.#options = options;
    this.log = options.log;
  }

  async *changes(cursor: string, signal: AbortSignal): AsyncGenerator<SourceChange> {
    let last = Number(cursor === '' ? -1 : cursor);
    let read = { atMs: 0, changedMs: Number.NaN };
    while (!signal.aborted) {
      const now = { atMs: Date.now(), changedMs: await this.#changedMs() };
      const isRead = now.changedMs === read.changedMs && now.changedMs < read.atMs - settleMs;
      const records = isRead ? [] : await this.#after(last);
      last = records.at(-1)?.seq ?? last;
      yield { records, cursor: String(last), at: Date.now() };
      if (records.length === batchMax) continue;
      if (!isRead) read = now;
      await delay(lookEveryMs, { signal }).catch(() => {});
    }
  }

  viewAgeSeconds(): number {
    return this.#isThere ? 0 : Number.POSITIVE_INFINITY;
  }

  silentSeconds(): number {
    return this.viewAgeSeconds();
  }

  async say({ url, obj, value }: NodeStatement): Promise<void> {
    const { folder, key, log } = this.#options;
    const said = join(folder, 'said');
    // The folder itself may be on a disk that is not there.
    await mkdir(said).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
    const name = `${url}-${Buffer.from(obj).toString('base64url').slice(-80)}`;
    const number = (await readdir(said)).filter((file) => file.startsWith(name)).length;
    const parsed = parse(url, value);
    const record = { seq: number, at: Date.now(), url, obj, op: 'put' as const, value: parsed };
    const text = JSON.stringify(signRecord(key, log, record));
    await writeFileAtomic(join(said, `${name}-${number}.json`), text);
  }

  attend(_session: NodeSession): void {}

  async [Symbol.asyncDispose](): Promise<void> {}

  /** When a file was added; not a number where there is no folder. */
  async #changedMs(): Promise<number> {
    try {
      return (await stat(this.#options.folder)).mtimeMs;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return Number.NaN;
      throw error;
    }
  }

  async #after(last: number): Promise<readonly GridRecord[]> {
    const files = await readdir(this.#options.folder).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    this.#isThere = files !== undefined;
    const numbers = (files ?? [])
      .flatMap((file) => /^(?<seq>[0-9]{1,15})\.json$/.exec(file)?.groups?.['seq'] ?? [])
      .map(Number)
      .filter((seq) => seq > last)
      .toSorted((one, other) => one - other);
    // Each takes an open file.
    const some = numbers.slice(0, batchMax);
    return Promise.all(some.map((seq) => this.#read(seq)));
  }

  async #read(seq: number): Promise<GridRecord> {
    const path = join(this.#options.folder, `${seq}.json`);
    try {
      const signed = JSON.parse(await readFile(path, 'utf8')) as SignedRecord;
      const { signature, ...record } = signed;
      if (record.seq !== seq) throw new Error(`it says that it is record ${record.seq}`);
      const bytes = Buffer.from(signature, 'base64url');
      const key = PublicKey.fromText(record.author);
      if (!key.verify(domain, signedBytes(this.log, record), bytes)) {
        throw new Error('its signature is wrong');
      }
      parse(record.url as RecordUrl, record.value);
      return record;
    } catch (error) {
      const why = isGridError(error) || error instanceof Error ? error.message : String(error);
      throw new GridError<NodeErrorCode>('NODE_RECORD_INVALID', `${path}: ${why}`, {
        hint: 'remove the file, or put the right one in its place',
        details: { path },
        cause: error,
      });
    }
  }
}

/** Signs a record for a folder. */
export function signRecord(
  key: SigningKey,
  log: string,
  record: Omit<GridRecord, 'author'>,
): SignedRecord {
  const whole: GridRecord = { ...record, author: key.publicKey.text };
  const bytes = key.sign(domain, signedBytes(log, whole));
  const signature = bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
  return { ...whole, signature };
}

function signedBytes(log: string, record: GridRecord): Uint8Array {
  return canonicalBytes({ log, record });
}
