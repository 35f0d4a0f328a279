import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@commongrid/base';

/** Pieces of evidence in a folder, once there are so many: their names. */
export async function evidenceNames(folder: string, count: number): Promise<readonly string[]> {
  const areThere = async (): Promise<boolean> => (await namesIn(folder)).length === count;
  await waitFor(areThere, { timeoutMs: 60_000, what: `${count} pieces of evidence` });
  return namesIn(folder);
}

/** The text of a piece of evidence of this kind that somebody with this data folder kept. */
export async function evidenceIn(dataDir: string, kind: string): Promise<string> {
  const folder = join(dataDir, 'evidence');
  const kept = async (): Promise<string | undefined> => {
    for (const name of await namesIn(folder)) {
      const text = await readFile(join(folder, name), 'utf8');
      if ((JSON.parse(text) as { kind: string }).kind === kind) return text;
    }
    return undefined;
  };
  return waitFor(kept, { timeoutMs: 60_000, what: `evidence of ${kind}` });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  // A file that is still being written has a name of its own.
  return (await readdir(folder)).filter((name) => name.endsWith('.json'));
}
