import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

import { checkTables } from './fsck-checks.ts';
import type { FsckAnswer, FsckWork } from './fsck.ts';

/** Reads the tables beside the head, which goes on serving. */
const { path, snapshotChunks, readable }: FsckWork = workerData;
const tell = (answer: FsckAnswer): void => parentPort?.postMessage(answer, []);
const db = new DatabaseSync(path, { readOnly: true });
const result = checkTables(db, {
  snapshotChunks: new Set(snapshotChunks),
  readable: new Set(readable),
  onCheck: (check, done, total) => tell({ check, done, total }),
});
db.close();
tell({ result });
parentPort?.close();
