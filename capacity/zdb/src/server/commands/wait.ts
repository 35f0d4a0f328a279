import type { Request } from '@commongrid/resp';
import type { CommandDefinition } from '../command.ts';
import { replyTexts } from '../reply-texts.ts';
import type { Session } from '../session.ts';

const TIMEOUT_MS_MIN = 100;
/** Longest that WAIT waits, as in 0-db. */
const TIMEOUT_MS_MAX = 1_800_000;
const TIMEOUT_MS_DEFAULT = 5_000;

export const waitCommands: readonly CommandDefinition[] = [
  {
    name: 'WAIT',
    access: 'read',
    least: 1,
    most: 2,
    summary: 'Waits until another client of the namespace has run a command: WAIT command|* [ms].',
    run: wait,
  },
];

async function wait(session: Session, request: Request): Promise<void> {
  const isAny = request.is(1, '*');
  const command = isAny ? undefined : session.context.commands.find(request, 1);
  if (!isAny && command === undefined) return session.refuse(replyTexts.unknownToWatch);
  const timeoutMs = request.argc > 2 ? request.integer(2) : TIMEOUT_MS_DEFAULT;
  if (timeoutMs === undefined || timeoutMs < TIMEOUT_MS_MIN || timeoutMs > TIMEOUT_MS_MAX) {
    return session.refuse(replyTexts.invalidTimeout);
  }
  const seen = await session.context.watchers.wait(session, command, timeoutMs);
  if (seen === undefined) return session.refuse('Timeout');
  return session.connection.reply.simple(seen.name);
}
