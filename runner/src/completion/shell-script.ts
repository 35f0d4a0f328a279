import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const shells = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof shells)[number];

/**
 * What a shell runs once to complete words after `grid`. It asks the command itself, which knows its
 * verbs, options and names: `grid completion words -- WORD...` prints `words` or `files`, and then
 * one candidate a line, with what it means behind a tab.
 * @param program the launcher, absolute
 */
export async function shellScript(shell: Shell, program: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, `completion.${shell}`), 'utf8');
  return text.replace('@GRID@', () => quoted[shell](program));
}

const inSingleQuotes = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;

const quoted: Readonly<Record<Shell, (path: string) => string>> = {
  bash: inSingleQuotes,
  zsh: inSingleQuotes,
  fish: (path) => `'${path.replaceAll(/['\\]/g, '\\$&')}'`,
};
