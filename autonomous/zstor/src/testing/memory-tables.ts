import { DatabaseSync } from 'node:sqlite';

/** Tables as a catalogue has them, in memory. */
export class MemoryTables {
  readonly isServing = true;
  readonly db: DatabaseSync = new DatabaseSync(':memory:');

  constructor(script: string) {
    this.db.exec(script);
  }

  read<T>(query: (db: DatabaseSync) => T): T {
    return query(this.db);
  }

  async write<T>(change: (db: DatabaseSync) => T): Promise<T> {
    return change(this.db);
  }

  requireLease(): void {}
}
