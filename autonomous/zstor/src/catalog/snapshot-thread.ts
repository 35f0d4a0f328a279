import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

/** Copies the tables as they are at one moment, while the head goes on writing. */
const { from, to }: { readonly from: string; readonly to: string } = workerData;
const db = new DatabaseSync(from, { readOnly: true });
db.prepare('VACUUM INTO ?').run(to);
db.close();
parentPort?.close();
