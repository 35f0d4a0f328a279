import type { TerminalSize } from '../container/container-exec.ts';
import { invalid } from './access-wire.ts';

/** The first line of a call. */
export type AccessRequest =
  | {
      readonly v: 1;
      readonly verb: 'exec';
      readonly token: string;
      readonly command: readonly string[];
      readonly terminal?: TerminalSize | undefined;
    }
  | {
      readonly v: 1;
      readonly verb: 'logs';
      readonly token: string;
      /** Lines that were printed before. */
      readonly tail: number;
      /** Goes on with what is printed from now on. */
      readonly follow: boolean;
    }
  | { readonly v: 1; readonly verb: 'restart'; readonly token: string };

/** @throws NODE_ACCESS_INVALID */
export function readRequest(value: unknown): AccessRequest {
  if (typeof value !== 'object' || value === null) throw invalid('the first line is no object');
  const { v, verb, token, ...rest } = value as Readonly<Record<string, unknown>>;
  if (v !== 1) throw invalid(`it is of version ${String(v)}`);
  if (typeof token !== 'string') throw invalid('it has no token');
  if (verb === 'exec') return { v, verb, token, ...execOf(rest) };
  if (verb === 'logs') return { v, verb, token, ...logsOf(rest) };
  if (verb === 'restart') return { v, verb, token };
  throw invalid(`there is no verb ${String(verb)}`);
}

function execOf({ command, terminal }: Readonly<Record<string, unknown>>): {
  readonly command: readonly string[];
  readonly terminal?: TerminalSize;
} {
  const isCommand = Array.isArray(command) && command.length > 0;
  if (!isCommand || !command.every((word) => typeof word === 'string')) {
    throw invalid('the command is no list of words');
  }
  if (terminal === undefined) return { command };
  const { rows, columns } = (terminal ?? {}) as Partial<Record<string, unknown>>;
  if (!isSide(rows) || !isSide(columns)) throw invalid('the terminal has no size');
  return { command, terminal: { rows, columns } };
}

function logsOf({ tail, follow }: Readonly<Record<string, unknown>>): {
  readonly tail: number;
  readonly follow: boolean;
} {
  if (!Number.isSafeInteger(tail) || Number(tail) < 0) throw invalid('tail is no number of lines');
  if (typeof follow !== 'boolean') throw invalid('follow is neither true nor false');
  return { tail: Number(tail), follow };
}

function isSide(side: unknown): side is number {
  return Number.isSafeInteger(side) && Number(side) > 0;
}
