import { GridError } from '@commongrid/base';

import type { CommandContext, JsonOption } from './command-context.ts';
import type { GridErrorCode } from './errors.ts';
import { plainText } from './terminal.ts';

/** What somebody is asked before it is done. */
interface Question {
  readonly message: string;
  /** What is so when the answer is no. */
  readonly refused: string;
  /** The command that does it without asking. */
  readonly command: string;
}

/** Whether somebody at a terminal can be asked. */
export function canAsk(
  { terminal }: CommandContext,
  { json }: { readonly json?: true | undefined },
): boolean {
  return process.stdin.isTTY && terminal.isWatched && json !== true;
}

/** @throws GRID_USAGE unless a person, or `--yes`, agrees */
export async function requireYes(
  context: CommandContext,
  { yes, json }: JsonOption & { readonly yes?: true },
  { message, refused, command }: Question,
): Promise<void> {
  if (yes === true) return;
  if (!canAsk(context, { json })) {
    throw usage('nobody can be asked here: say --yes', command);
  }
  const { confirm } = await import('@clack/prompts');
  const answer = await confirm({
    message: plainText(message),
    initialValue: false,
    output: process.stderr,
  });
  if (answer !== true) throw usage(refused, command);
}

function usage(message: string, hint: string): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', message, { hint });
}
