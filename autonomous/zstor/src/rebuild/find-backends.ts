import { isGridError } from '@commongrid/base';
import { Markers, markerKey } from '../backends/backend-identity.ts';
import { BackendPool } from '../backends/backend-pool.ts';
import { nameOfBackend } from '../backends/backends-file.ts';
import type { BackendSpec } from '../backends/backends-file.ts';
import type { DatabaseSync } from 'node:sqlite';
import { statementOf } from '../catalog/statement-of.ts';

/** Reads which number each backend had, from its marker. Those that are empty or away have none. */
export async function findNumbers(
  listed: readonly BackendSpec[],
  metadataKey: Uint8Array,
): Promise<Map<string, number>> {
  const specs = listed.filter(({ hasShards }) => hasShards !== false);
  const markers = new Markers(metadataKey);
  const numbers = new Map<string, number>();
  await using pool = await BackendPool.open(specs, { numberOf: (spec) => specs.indexOf(spec) + 1 });
  await Promise.all(
    specs.map(async (spec, at) => {
      try {
        const marker = await pool.byNo(at + 1)?.get(markerKey, 1024);
        const found = marker && markers.read(marker);
        if (found?.isOfStore === true) numbers.set(nameOfBackend(spec), found.no);
      } catch (error) {
        if (!isGridError(error)) throw error;
      }
    }),
  );
  return numbers;
}

/** Has the tables say what the markers do. */
export function setNumbers(db: DatabaseSync, numbers: ReadonlyMap<string, number>): void {
  for (const [name, no] of numbers) {
    const retire = `UPDATE backends SET use = 'retired' WHERE name = ? AND no <> ?`;
    statementOf(db, retire).run(name, no);
    const known = statementOf(db, 'SELECT use FROM backends WHERE no = ?').get(no);
    const use = known === undefined || known['use'] === 'retired' ? 'used' : String(known['use']);
    const set = 'INSERT OR REPLACE INTO backends VALUES (?, ?, ?, 1)';
    statementOf(db, set).run(no, name, use);
  }
}
