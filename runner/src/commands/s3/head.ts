import { askControl, GridError, shutdownSignal } from '@commongrid/base';
import type { ControlArguments } from '@commongrid/base';
import type { Command } from 'commander';

import { resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';

/** Which head a command asks. */
export type HeadOptions = JsonOption & { readonly data?: string };

/** A command that a running head answers. */
export function headCommand(name: string, description: string): Command {
  return resultCommand(name, description).option(
    '--data <folder>',
    'that of `grid s3 serve`; default: of the grid that ./grid up started',
  );
}

/**
 * Asks the head that holds the folder; SIGINT and SIGTERM end that. The result is of the same version.
 * @throws what the head throws, GRID_NOT_UP
 */
export async function askHead<T>(
  { environment }: CommandContext,
  { data = new GridHome(environment.home).s3 }: HeadOptions,
  action: string,
  args: ControlArguments = {},
  onProgress: (event: unknown) => void = () => {},
): Promise<T> {
  const { controlPathOf } = await import('@commongrid/zstor');
  const signal = shutdownSignal();
  try {
    return (await askControl(controlPathOf(data), action, args, { signal, onProgress })) as T;
  } catch (error) {
    if (!(error instanceof GridError) || error.code !== 'BASE_CONTROL_ABSENT') throw error;
    throw new GridError<GridErrorCode>('GRID_NOT_UP', `no head of S3 serves on ${data}`, {
      hint: './grid up, or name the folder of the head that serves: --data',
      details: { data },
      cause: error,
    });
  }
}

/** All pages of a list that is told in order of names. */
export async function askForAll<T extends { readonly name: string }>(
  context: CommandContext,
  options: HeadOptions,
  action: string,
  pick: (page: unknown) => readonly T[],
): Promise<readonly T[]> {
  const all: T[] = [];
  for (;;) {
    const after = all.at(-1)?.name ?? '';
    const page = pick(await askHead(context, options, action, { after }));
    if (page.length === 0) return all;
    all.push(...page);
  }
}
