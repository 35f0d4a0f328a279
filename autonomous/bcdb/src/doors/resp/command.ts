import type { Request } from '@commongrid/resp';
import type { Session } from './session.ts';

/**
 * Answers a request by writing one reply, or throws a GridError before it writes any. When it
 * returns a promise, later requests of the connection wait, and rights must be looked at again after
 * every pause.
 */
export type CommandHandler = (session: Session, request: Request) => void | Promise<void>;

export interface Command {
  /** In upper case. */
  readonly name: string;
  readonly run: CommandHandler;
  /** Number of arguments after the name, at least and at most. */
  readonly least: number;
  readonly most: number;
  /** Whether it changes data. Default false. */
  readonly isWrite?: boolean;
  /** Places of the keys: first, last (-1 the last argument), step. Default: it has none. */
  readonly keys?: readonly [first: number, last: number, step: number];
  /** One sentence for COMMAND DOCS. */
  readonly summary: string;
}

/** Any number of arguments: the parser's limit holds. */
export const anyNumber = 1023;
