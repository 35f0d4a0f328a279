import { runProgram } from '@commongrid/base';

import { takeAway } from './take-away.ts';

/**
 * Runs commands of ip one after the other, up to the first that fails.
 * @throws BASE_PROGRAM_FAILED
 */
export async function runIp(commands: readonly string[]): Promise<void> {
  if (commands.length === 0) return;
  await runProgram('ip', ['-batch', '-'], { input: commands.map((line) => `${line}\n`).join('') });
}

/**
 * Runs commands of ip that take things away. What went by itself since it was found is no failure.
 * @param find gives a command for each thing that is there
 * @throws BASE_PROGRAM_FAILED
 */
export async function deleteByIp(find: () => Promise<readonly string[]>): Promise<void> {
  await takeAway(find, runIp);
}

/** Routes of IPv4. */
export interface Route {
  /** `default`, an address, or a range. */
  readonly dst: string;
  /** Interface; none for routes that lead nowhere. */
  readonly dev?: string;
  readonly metric?: number;
}

export async function mainRoutes(): Promise<readonly Route[]> {
  return listRoutes('main');
}

/** Also what the machine itself has for addresses. */
export async function allRoutes(): Promise<readonly Route[]> {
  return listRoutes('all');
}

async function listRoutes(table: string): Promise<readonly Route[]> {
  const printed = await runProgram('ip', ['-4', '-j', 'route', 'show', 'table', table]);
  // Without any route it prints nothing at all.
  return printed.trim() === '' ? [] : JSON.parse(printed);
}
