import { CommandTable } from '@commongrid/resp';
import type { Command, CommandDefinition } from './command.ts';
import { adminCommands } from './commands/admin.ts';
import { batchCommands } from './commands/batch.ts';
import { clientCommands } from './commands/client.ts';
import { connectionCommands } from './commands/connection.ts';
import { dataCommands } from './commands/data.ts';
import { historyCommands } from './commands/history.ts';
import { maintenanceCommands } from './commands/maintenance.ts';
import { namespaceCommands } from './commands/namespace.ts';
import { rawCommands } from './commands/raw.ts';
import { recordCommands } from './commands/record.ts';
import { replacedCommands } from './commands/replaced.ts';
import { repairCommands } from './commands/repair.ts';
import { replicationCommands } from './commands/replication.ts';
import { scanCommands } from './commands/scan.ts';
import { selectCommands } from './commands/select.ts';
import { settingCommands } from './commands/setting.ts';
import { waitCommands } from './commands/wait.ts';

const definitions: readonly CommandDefinition[] = [
  ...dataCommands,
  ...recordCommands,
  ...batchCommands,
  ...scanCommands,
  ...historyCommands,
  ...selectCommands,
  ...namespaceCommands,
  ...settingCommands,
  ...adminCommands,
  ...maintenanceCommands,
  ...rawCommands,
  ...waitCommands,
  ...connectionCommands,
  ...clientCommands,
  ...replicationCommands,
  ...repairCommands,
  ...replacedCommands,
];

/** Every command that the server knows. */
export const allCommands = new CommandTable(
  definitions.map((definition, index): Command => ({ ...definition, index })),
);
