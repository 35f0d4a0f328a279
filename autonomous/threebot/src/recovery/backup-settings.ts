import type { DatabaseSync } from 'node:sqlite';

export const backupTables = `
  CREATE TABLE IF NOT EXISTS backup_plan (only INTEGER PRIMARY KEY CHECK (only = 1), plan TEXT NOT NULL) STRICT;
`;

/** Where backups of a bot go, and how often. */
export interface BackupPlan {
  readonly folder?: string;
  /** Beside its files in S3. */
  readonly files: boolean;
  /** In its namespace of the database; undefined: where it has one. */
  readonly database?: boolean;
  readonly everyHours: number;
}

const planDefault: BackupPlan = { files: false, everyHours: 24 };

/** What the owner said about backups. */
export class BackupSettings {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  get plan(): BackupPlan {
    const row = this.#db.prepare('SELECT plan FROM backup_plan').get();
    if (row === undefined) return planDefault;
    return { ...planDefault, ...(JSON.parse(String(row['plan'])) as Partial<BackupPlan>) };
  }

  set plan(plan: BackupPlan) {
    this.#db.prepare('INSERT OR REPLACE INTO backup_plan VALUES (1, ?)').run(JSON.stringify(plan));
  }
}
