import { glob, readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';

/** The repository. */
export const root = resolve(import.meta.dirname, '..');

export interface SourceFile {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** Files that match, without what npm or git put there, sorted by path. */
export async function readSourceFiles(...patterns: string[]): Promise<SourceFile[]> {
  const found = await Array.fromAsync(
    glob(patterns, {
      cwd: root,
      exclude: ({ name }) => name === 'node_modules' || name === '.git',
      withFileTypes: true,
    }),
  );
  const paths = found
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  return Promise.all(
    paths.toSorted().map(async (path) => ({
      path,
      text: await readFile(join(root, path), 'utf8'),
    })),
  );
}

/** Prints the faults and makes the process fail when there are any. */
export function reportFaults(faults: readonly string[]): void {
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  if (faults.length > 0) process.exitCode = 1;
}
