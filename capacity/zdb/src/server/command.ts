import type { Request } from '@commongrid/resp';
import type { Session } from './session.ts';

/** What a command needs of the namespace: nothing, its data, or the right to change it. */
export type Access = 'open' | 'read' | 'write';

/**
 * Answers a request by writing one reply. When it returns a promise, later requests of the
 * connection wait, and rights must be looked at again after every pause.
 */
export type CommandHandler = (session: Session, request: Request) => void | Promise<void>;

/** A command as its file defines it. */
export interface CommandDefinition {
  /** In upper case. */
  readonly name: string;
  readonly run: CommandHandler;
  readonly access: Access;
  /** Number of arguments after the name, at least and at most. */
  readonly least: number;
  readonly most: number;
  /** Its reply tells nothing of the log, and does not wait for it. */
  readonly isApart?: boolean;
  /** Refused without the admin password, when one is set. */
  readonly isAdmin?: boolean;
  /** Places of the keys: first, last (-1 the last argument), step. */
  readonly keys?: readonly [number, number, number];
  /** One sentence for COMMAND DOCS. */
  readonly summary: string;
}

export interface Command extends CommandDefinition {
  /** Position in the table: where its counters stand. */
  readonly index: number;
}

/** Any number of arguments: the parser's limit holds. */
export const anyNumber = 1023;
