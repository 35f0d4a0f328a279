import { askControl, isGridError } from '@commongrid/base';
import type { ControlAction, ControlArguments } from '@commongrid/base';
import type { BcdbClientOptions, ClientReceipt, ClientStatement } from '@commongrid/bcdb/client';

import type { AtLog } from './bot-grid.ts';

type WriteElsewhere = NonNullable<BcdbClientOptions['writeElsewhere']>;

/**
 * Writes by a bot that runs, for a command that has its key: only one of them may count with it.
 * @param socket control socket of the bot
 */
export function byRunningBot(socket: string): WriteElsewhere {
  return async ({ value, ...statement }, signal) => {
    const said = value instanceof Uint8Array ? { box: textOf(value) } : { value };
    try {
      return (await askControl(
        socket,
        'write',
        { ...statement, ...said },
        { signal },
      )) as ClientReceipt;
    } catch (error) {
      if (isGridError(error, 'BASE_CONTROL_ABSENT')) return undefined;
      throw error;
    }
  };
}

/** The action of the bot's control socket that takes it. */
export function writeAction(atLog: AtLog): ControlAction {
  return (args, { signal }) =>
    atLog((client, stop) => client.write(statementOf(args), { signal: stop }), signal);
}

/** Asked by a process of the same user; the database holds all of it to its rules. */
function statementOf({ box, ...args }: ControlArguments): ClientStatement {
  const statement = args as unknown as ClientStatement;
  if (typeof box !== 'string') return statement;
  return { ...statement, value: Uint8Array.fromBase64(box, { alphabet: 'base64url' }) };
}

function textOf(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true });
}
