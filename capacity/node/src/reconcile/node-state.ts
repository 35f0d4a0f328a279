import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { SQLOutputValue, StatementSync } from 'node:sqlite';
import { GridError, inTransaction } from '@commongrid/base';
import type { EventPhase, WorkloadId } from '@commongrid/model';
import type { NodeErrorCode } from '../errors.ts';
import type { RestartState } from '../health/restart-policy.ts';
import { ReceiptBook, receiptSchema } from '../receipts/receipt-book.ts';
import type { KnownWorkload } from './wish.ts';

/** How far a workload is. */
export interface WorkloadStanding {
  /** Fingerprint of the assignment that is in place; undefined while that is not known for sure. */
  readonly made: string | undefined;
  readonly phase: EventPhase;
  readonly code: string | undefined;
  /** When the phase began, ms since 1970. */
  readonly phaseAtMs: number;
  readonly restart: RestartState;
}

/** What the node goes by, and tells, of one workload. */
export interface WorkloadRow extends WorkloadStanding {
  readonly known: KnownWorkload;
}

/** Something that happened to a workload. */
export interface WorkloadEvent {
  readonly workload: WorkloadId;
  readonly revision: number;
  readonly phase: EventPhase;
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly hint?: string | undefined;
  readonly isRetryable?: boolean | undefined;
  readonly at: number;
}

/** Something that happened to the node itself. */
export type OwnEvent = Omit<WorkloadEvent, 'workload'>;

/** An event that is kept; without a workload it is about the node itself. */
export interface NumberedEvent extends OwnEvent {
  readonly seq: number;
  readonly workload?: WorkloadId;
}

/** A kept event of a workload. */
export type NumberedWorkloadEvent = NumberedEvent & WorkloadEvent;

/** Who opens it after a kill has it for himself for as long as he restores it, ms. */
const busyTimeoutMs = 5_000;

/** Events that are kept; beyond it the oldest that were told go. */
const eventsKept = 20_000;

/**
 * What a node has to know after a kill or a reboot: which workloads it accepted, how far each is,
 * and what it has not told yet. One SQLite file, synced with each change that something is done by.
 */
export class NodeState implements Disposable {
  /** What was healthy, for whom others pay. */
  readonly receipts: ReceiptBook;
  readonly #db: DatabaseSync;
  readonly #watches = new Set<(event: NumberedWorkloadEvent) => void>();
  /** Of what is asked often. */
  readonly #statements: { readonly standing: StatementSync; readonly revision: StatementSync };

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.receipts = new ReceiptBook(db);
    this.#statements = {
      standing: db.prepare(`SELECT made, phase, code, phaseAt, restarts, nextStart
        FROM workload WHERE id = ?`),
      revision: db.prepare(`SELECT json_extract(known, '$.revision') AS revision
        FROM workload WHERE id = ?`),
    };
  }

  /** @throws NODE_STATE_LATER: nothing was changed */
  static open(folder: string): NodeState {
    const db = new DatabaseSync(join(folder, 'state.sqlite'), { timeout: busyTimeoutMs });
    try {
      const format = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
      if (format > stateFormat) throw stateLater(folder, format);
      db.exec(schema + receiptSchema);
      // Writing it needs the file for oneself; who only reads must not ask for that.
      if (format < stateFormat) db.exec(`PRAGMA user_version = ${stateFormat}`);
      return new NodeState(db);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  workloads(): readonly WorkloadRow[] {
    return this.#db.prepare('SELECT * FROM workload ORDER BY accepted').all().map(rowFrom);
  }

  workload(id: WorkloadId): WorkloadRow | undefined {
    const row = this.#db.prepare('SELECT * FROM workload WHERE id = ?').get(id);
    return row === undefined ? undefined : rowFrom(row);
  }

  /** As `workload`, without what was accepted. */
  standing(id: WorkloadId): WorkloadStanding | undefined {
    const row = this.#statements.standing.get(id);
    return row === undefined ? undefined : standingFrom(row);
  }

  /** Of what was accepted last. */
  revisionOf(id: WorkloadId): number | undefined {
    const row = this.#statements.revision.get(id);
    return row === undefined ? undefined : Number(row['revision']);
  }

  /** Remembers accepted workloads, all of them or none, in the order in which they keep their room. */
  accept(all: readonly KnownWorkload[], atMs: number): void {
    const put = this.#db
      .prepare(`INSERT INTO workload (id, known, phase, phaseAt, restarts, nextStart)
      VALUES (?, ?, 'accepted', ?, 0, 0) ON CONFLICT (id) DO UPDATE SET known = excluded.known`);
    inTransaction(this.#db, () => {
      for (const known of all) put.run(known.id, JSON.stringify(known), atMs);
    });
  }

  /** Notes what is in place; undefined before it is touched, so that a kill leaves no false claim. */
  setMade(id: WorkloadId, made: string | undefined): void {
    this.#db.prepare('UPDATE workload SET made = ? WHERE id = ?').run(made ?? null, id);
  }

  setRestart(id: WorkloadId, { restarts, nextMs }: RestartState): void {
    this.#db
      .prepare('UPDATE workload SET restarts = ?, nextStart = ? WHERE id = ?')
      .run(restarts, nextMs, id);
  }

  /** Keeps an event to be told; a workload that is known is in that phase from now on. */
  note(event: WorkloadEvent): NumberedWorkloadEvent {
    return this.#keep(event, true);
  }

  /** Keeps an event that changes nothing about what is there. */
  noteAside(event: WorkloadEvent): NumberedWorkloadEvent {
    return this.#keep(event, false);
  }

  /** Keeps an event of the node itself. */
  noteOwn(event: OwnEvent): NumberedEvent {
    return inTransaction(this.#db, () => ({ ...event, seq: this.#insert('', event) }));
  }

  /** Writes all or nothing. */
  together<Result>(work: () => Result): Result {
    return inTransaction(this.#db, work);
  }

  /** Calls the listener with each change of a phase, inside the transaction that keeps it. */
  watchPhases(listener: (event: NumberedWorkloadEvent) => void): Disposable {
    this.#watches.add(listener);
    return { [Symbol.dispose]: () => void this.#watches.delete(listener) };
  }

  /** A workload is gone, data and all. Its events stay. */
  forget(id: WorkloadId): void {
    this.#db.prepare('DELETE FROM workload WHERE id = ?').run(id);
  }

  /** Events after a number, the oldest first. */
  events(afterSeq: number, limit: number, workload?: WorkloadId): readonly NumberedEvent[] {
    const only = workload === undefined ? '' : 'AND workload = ?';
    const rows = this.#db
      .prepare(`SELECT seq, event FROM event WHERE seq > ? ${only} ORDER BY seq LIMIT ?`)
      .all(...[afterSeq, ...(workload === undefined ? [] : [workload]), limit]);
    return rows.map(numberedEvent);
  }

  /** The newest events, the oldest of them first. */
  newestEvents(limit: number, workload?: WorkloadId): readonly NumberedEvent[] {
    const only = workload === undefined ? '' : 'WHERE workload = ?';
    const rows = this.#db
      .prepare(`SELECT seq, event FROM event ${only} ORDER BY seq DESC LIMIT ?`)
      .all(...[...(workload === undefined ? [] : [workload]), limit]);
    return rows.map(numberedEvent).toReversed();
  }

  /** Number of the newest event that the source took. */
  get told(): number {
    return Number(this.fact('told') ?? 0);
  }

  set told(seq: number) {
    this.setFact('told', String(seq));
  }

  fact(name: string): string | undefined {
    const row = this.#db.prepare('SELECT value FROM fact WHERE name = ?').get(name);
    return row === undefined ? undefined : String(row['value']);
  }

  setFact(name: string, value: string): void {
    this.#db.prepare('INSERT OR REPLACE INTO fact VALUES (?, ?)').run(name, value);
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #keep(event: WorkloadEvent, isPhase: boolean): NumberedWorkloadEvent {
    const { workload, phase, code, at } = event;
    return inTransaction(this.#db, () => {
      if (isPhase) {
        this.#db
          .prepare('UPDATE workload SET phase = ?, code = ?, phaseAt = ? WHERE id = ?')
          .run(phase, code ?? null, at, workload);
      }
      const kept = { ...event, seq: this.#insert(workload, event) };
      if (isPhase) for (const watch of this.#watches) watch(kept);
      return kept;
    });
  }

  #insert(workload: string, event: OwnEvent): number {
    const kept = this.#db
      .prepare('INSERT INTO event (workload, event) VALUES (?, ?)')
      .run(workload, JSON.stringify(event));
    const seq = Number(kept.lastInsertRowid);
    this.#db
      .prepare('DELETE FROM event WHERE seq <= ? AND seq <= ?')
      .run(seq - eventsKept, this.told);
    return seq;
  }
}

/**
 * Tables and columns that are added change nothing of it: an earlier release leaves them alone. What
 * such a release could not work with has the next number, and is refused by it.
 */
const stateFormat = 1;

/** All is read once, and then little: so it keeps 256 KiB in memory. */
const schema = `
  PRAGMA cache_size = -256;
  PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS workload (accepted INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, known TEXT NOT NULL, made TEXT, phase TEXT NOT NULL, code TEXT,
    phaseAt INTEGER NOT NULL, restarts INTEGER NOT NULL, nextStart INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workload TEXT NOT NULL, event TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS eventOf ON event (workload, seq);`;

function stateLater(folder: string, format: number): GridError<NodeErrorCode> {
  const message = `the state in ${folder} is of format ${format}, this release knows ${stateFormat}`;
  return new GridError('NODE_STATE_LATER', message, {
    hint: 'start the release that wrote it, or a later one',
    details: { folder, format },
  });
}

type Row = Readonly<Record<string, SQLOutputValue>>;

function rowFrom(row: Row): WorkloadRow {
  return { known: JSON.parse(String(row['known'])) as KnownWorkload, ...standingFrom(row) };
}

function standingFrom(row: Row): WorkloadStanding {
  return {
    made: textOf(row['made']),
    phase: String(row['phase']) as EventPhase,
    code: textOf(row['code']),
    phaseAtMs: Number(row['phaseAt']),
    restart: { restarts: Number(row['restarts']), nextMs: Number(row['nextStart']) },
  };
}

function numberedEvent(row: Row): NumberedEvent {
  return { seq: Number(row['seq']), ...(JSON.parse(String(row['event'])) as WorkloadEvent) };
}

function textOf(value: SQLOutputValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
