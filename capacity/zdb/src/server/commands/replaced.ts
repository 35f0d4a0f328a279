import { anyNumber } from '@commongrid/resp';
import type { CommandDefinition } from '../command.ts';

/** Commands of 0-db that other means replace: the error names them. */
export const replacedCommands: readonly CommandDefinition[] = [
  replaced('MIRROR', 'start the other server with --replica-of instead'),
  replaced('MASTER', 'start this server with --replica-of instead'),
  replaced('HOOKS', 'events are sent to a webhook instead'),
];

function replaced(name: string, instead: string): CommandDefinition {
  return {
    name,
    access: 'open',
    least: 0,
    most: anyNumber,
    summary: `Not supported: ${instead}.`,
    run(session) {
      session.refuse(`${name} is not supported: ${instead}`);
    },
  };
}
