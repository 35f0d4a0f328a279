import { commandTable } from './command-table.ts';

const names = commandTable.map(({ name }) => name).join('|');
/** A command of grid by its bare name; paths that end with it are left. */
const bareCommand = new RegExp(String.raw`(?<![\w./-])grid (?=(?:${names})(?![\w-]))`, 'g');

/**
 * A hint with its commands as they are typed here: a checkout is seldom on PATH.
 * @param isOnPath whether a shell finds this program as `grid`
 */
export function typedHint(hint: string, isOnPath: boolean): string {
  return isOnPath ? hint : hint.replaceAll(bareCommand, './grid ');
}
