import { GridError, isGridError } from '@commongrid/base';
import type { QueryConfig } from 'pg';
import type { BcdbErrorCode } from '../../errors.ts';
import { busy, checkBatch, groupBytesMax, pendingBytesMax, stopped } from '../batch.ts';
import type { LogBatch, LogHead, StoredBody } from '../log-engine.ts';
import { PostgresConnection } from './connection.ts';
import { corruptRow, fetchSoundPage } from './entry-pages.ts';
import { notDurable } from './find-primary.ts';
import type { PrimaryOptions } from './find-primary.ts';
import { failureOf, isPassing } from './session.ts';
import type { PostgresSession } from './session.ts';
import { addBodies, append, confirm, eraseBodies, selectHead } from './statements.ts';
import type { AppendGroup, HeadRow } from './statements.ts';

export interface PostgresWriterOptions extends PrimaryOptions {
  readonly reconnectMs: number;
  /** The connection on which this process took over, and what it found. */
  readonly session: PostgresSession;
  readonly term: number;
  readonly head: LogHead;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface AppendJob extends Waiting {
  readonly kind: 'append';
  readonly batch: LogBatch;
  readonly bytes: number;
}

/** Changes bodies of entries that are there. */
interface BodyJob extends Waiting {
  readonly kind: 'bodies';
  readonly statement: QueryConfig;
}

/*
 * One transaction at a time; batches that queue up meanwhile go together. When a connection is lost, or
 * a commit was not waited for, nobody knows whether the transaction counts:
 *
 * 1. Connect to the server that takes writes, maybe another one.
 * 2. Change the head's row without changing it. That waits for a transaction that may still run on the
 *    lost connection, fails if another writer took over, and once it is confirmed, so is all before it.
 * 3. If the head is where the batch begins, append it again. If it is where the batch ends, and the
 *    entries there are the same, it was appended.
 */
export class PostgresWriter {
  readonly #term: number;
  readonly #single: boolean;
  readonly #connection: PostgresConnection;
  #head: LogHead;
  #accepted: LogHead;
  /** The head that a new connection has found, until the next transaction. */
  #found: LogHead | undefined;
  #failure: GridError<BcdbErrorCode> | undefined;
  #pendingBytes = 0;
  readonly #jobs: (AppendJob | BodyJob)[] = [];
  #running: Promise<void> | undefined;

  constructor(options: PostgresWriterOptions) {
    const { session, term, head, single } = options;
    this.#term = term;
    this.#single = single;
    this.#head = head;
    this.#accepted = head;
    const onConnect = (fresh: PostgresSession): Promise<void> => this.#lookAgain(fresh);
    this.#connection = new PostgresConnection({ ...options, onConnect }, session);
  }

  get head(): LogHead {
    return this.#head;
  }

  append(batch: LogBatch): Promise<void> {
    if (this.#failure !== undefined) throw stopped(this.#failure);
    const bytes = checkBatch(batch, this.#accepted.size);
    if (this.#pendingBytes + bytes > pendingBytesMax) throw busy();
    this.#pendingBytes += bytes;
    this.#accepted = batch.head;
    return new Promise((resolve, reject) => {
      this.#jobs.push({ kind: 'append', batch, bytes, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  erase(sequences: readonly number[]): Promise<void> {
    return this.#change(eraseBodies(sequences, this.#term));
  }

  add(bodies: readonly StoredBody[]): Promise<void> {
    return this.#change(addBodies(bodies, this.#term));
  }

  #change(statement: QueryConfig): Promise<void> {
    if (this.#failure !== undefined) throw stopped(this.#failure);
    return new Promise((resolve, reject) => {
      this.#jobs.push({ kind: 'bodies', statement, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves once all that was given has ended. */
  async drain(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** What has not ended yet fails. */
  async close(): Promise<void> {
    await this.#connection.close();
    await this.drain();
  }

  async #run(): Promise<void> {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      if (job.kind === 'bodies') await this.#runChange(job);
      else await this.#runAppends(this.#withFollowing(job));
    }
    this.#running = undefined;
  }

  #withFollowing(job: AppendJob): readonly AppendJob[] {
    const jobs = [job];
    let { bytes } = job;
    for (let next = this.#jobs[0]; next?.kind === 'append'; next = this.#jobs[0]) {
      bytes += next.bytes;
      if (bytes > groupBytesMax) break;
      this.#jobs.shift();
      jobs.push(next);
    }
    return jobs;
  }

  async #runAppends(jobs: readonly AppendJob[]): Promise<void> {
    const group = groupOf(jobs.map((job) => job.batch));
    const error = await this.#try((session) => this.#append(session, group));
    if (error === undefined) this.#head = group.head;
    for (const { bytes, resolve, reject } of jobs) {
      this.#pendingBytes -= bytes;
      if (error === undefined) resolve();
      else reject(error);
    }
  }

  async #runChange({ statement, resolve, reject }: BodyJob): Promise<void> {
    const error = await this.#try(async (session) => {
      await session.commit(statement);
      // A former writer changed nothing; that row tells whether this is one.
      await this.#confirmedHead(session);
    });
    if (error === undefined) resolve();
    else reject(error);
  }

  /** Returns why the work failed; nothing more is written then. */
  async #try(
    work: (session: PostgresSession) => Promise<void>,
  ): Promise<GridError<BcdbErrorCode> | undefined> {
    if (this.#failure !== undefined) return stopped(this.#failure);
    try {
      await this.#connection.run(work);
      return undefined;
    } catch (error) {
      this.#failure = isPassing(error) ? gaveUp(error) : failureOf(error);
      return this.#failure;
    }
  }

  async #append(session: PostgresSession, group: AppendGroup): Promise<void> {
    const found = this.#found;
    this.#found = undefined;
    if (found !== undefined && found.size !== group.from) {
      await checkAppended(session, group, found);
      return;
    }
    const { rowCount } = await session.commit(append(group, this.#term, this.#single));
    if (rowCount !== group.entries.length) throw await this.#refusal(session, group);
  }

  async #lookAgain(session: PostgresSession): Promise<void> {
    const found = await this.#confirmedHead(session);
    if (found.size < this.#head.size) throw corruptRow(found.size);
    this.#found = found;
  }

  /** @throws BCDB_LOG_NOT_WRITER */
  async #confirmedHead(session: PostgresSession): Promise<LogHead> {
    const { rows } = await session.commit<HeadRow>(confirm(this.#term));
    const [row] = rows;
    if (row === undefined) throw notWriter();
    return headOf(row);
  }

  /** Why an append changed no row. */
  async #refusal(session: PostgresSession, group: AppendGroup): Promise<GridError<BcdbErrorCode>> {
    const { rows } = await session.query<HeadRow>(selectHead);
    const [row] = rows;
    if (row === undefined || Number(row.term) !== this.#term) return notWriter();
    if (Number(row.size) !== group.from) return strayed(group, headOf(row));
    return notDurable();
  }
}

/** @throws BCDB_LOG_STOPPED when the log holds something else than what was appended */
async function checkAppended(
  session: PostgresSession,
  group: AppendGroup,
  found: LogHead,
): Promise<void> {
  const isEnd = found.size === group.head.size;
  if (!isEnd || Buffer.compare(found.root, group.head.root) !== 0) throw strayed(group, found);
  for (let seq = group.from; seq < group.head.size;) {
    for (const { leaf } of await fetchSoundPage(session, seq, group.head.size)) {
      const wanted = group.entries[seq - group.from]?.leaf ?? new Uint8Array();
      if (Buffer.compare(leaf, wanted) !== 0) throw strayed(group, found);
      seq++;
    }
  }
}

function groupOf(batches: readonly LogBatch[]): AppendGroup {
  const [first, last] = [batches[0], batches.at(-1)];
  if (first === undefined || last === undefined) throw new Error('a group has a batch');
  return { from: first.from, entries: batches.flatMap((one) => one.entries), head: last.head };
}

export function headOf({ size, root }: HeadRow): LogHead {
  return { size: Number(size), root: new Uint8Array(root) };
}

function notWriter(): GridError<BcdbErrorCode> {
  return new GridError('BCDB_LOG_NOT_WRITER', 'another process has taken over the log', {
    hint: 'follow the log; open it again to take over from that process',
  });
}

/** The reason would pass, but nobody waits any more. */
function gaveUp(cause: unknown): GridError<BcdbErrorCode> {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new GridError('BCDB_LOG_STOPPED', `no server confirmed the append in time: ${why}`, {
    hint: isGridError(cause) ? cause.hint : 'open the log again: that tells what it holds',
    cause,
  });
}

function strayed(group: AppendGroup, found: LogHead): GridError<BcdbErrorCode> {
  return new GridError(
    'BCDB_LOG_STOPPED',
    `the log goes to ${found.size}, but ${group.from} to ${group.head.size} was being appended`,
    { hint: 'open the log again: that tells what it holds', details: { size: found.size } },
  );
}
