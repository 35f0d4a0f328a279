import { CommandTable } from '@commongrid/resp';
import type { Command } from './command.ts';
import { clientCommands } from './commands/client.ts';
import { connectionCommands } from './commands/connection.ts';
import { hashCommands } from './commands/hash.ts';
import { infoCommands } from './commands/info.ts';
import { objectCommands } from './commands/object.ts';
import { proposalCommands } from './commands/proposal.ts';
import { queryCommands } from './commands/query.ts';
import { scanCommands } from './commands/scan.ts';
import { streamCommands } from './commands/stream.ts';

/** Every command that the door knows. */
export const allCommands = new CommandTable<Command>([
  ...hashCommands,
  ...objectCommands,
  ...scanCommands,
  ...streamCommands,
  ...queryCommands,
  ...proposalCommands,
  ...connectionCommands,
  ...clientCommands,
  ...infoCommands,
]);
