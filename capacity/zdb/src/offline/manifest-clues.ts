import fs from 'node:fs';
import path from 'node:path';
import { MANIFEST_NAME } from '../engine/log/manifest.ts';

/** What can still be read in a damaged manifest: never trusted, but good enough to doubt. */
export interface ManifestClues {
  readonly segmentIds: readonly number[];
  /** The log had reached this sequence. */
  readonly durableAtLeast: number;
}

export function manifestClues(folder: string): ManifestClues {
  const file = path.join(folder, MANIFEST_NAME);
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'latin1') : '';
  const ids = [...text.matchAll(/\{"id":(\d{1,15}),"slot":/g)].map(([, digits]) => Number(digits));
  const [, durable] = /"durableAtLeast":(\d{1,15}),/.exec(text) ?? [];
  return { segmentIds: ids, durableAtLeast: Number(durable ?? 0) };
}
