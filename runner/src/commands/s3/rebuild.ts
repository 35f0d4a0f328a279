import type { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { rebuild, rebuildCommand } from '../zstor/rebuild.ts';

export function s3RebuildCommand(context: CommandContext): Command {
  return rebuildCommand(
    'Make the tables of a store with buckets again, while no head runs.',
  ).action(async (options: Parameters<typeof rebuild>[1]) => {
    const { rebuildS3 } = await import('@commongrid/s3');
    await rebuild(context, options, rebuildS3);
  });
}
