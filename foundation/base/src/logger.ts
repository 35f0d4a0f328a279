import { createRequire } from 'node:module';
import type * as Pino from 'pino';
import { GridError } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

export const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

/** Facts of one line. Put an error under `err`: its code, hint, details, stack and cause are kept. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface LogMethod {
  (message: string): void;
  (fields: LogFields, message: string): void;
}

/** What packages ask for. They take it as an option with `silentLogger` as default. */
export interface Logger {
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  /** A logger that adds these fields to each of its lines. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  /** Default info. */
  readonly level?: LogLevel;
  /** Receives whole lines. Default: standard error, written synchronously. */
  readonly destination?: { write(line: string): void };
}

/**
 * A logger that writes one JSON object a line: level, time (ISO 8601), pid, name, fields, msg.
 * pino is loaded by the first call: it takes tens of ms, which a command that logs nothing saves.
 */
export function createLogger(name: string, options: LoggerOptions = {}): Logger {
  const { level = 'info', destination } = options;
  const pino: typeof Pino = createRequire(import.meta.url)('pino');
  const root: Pino.Logger = pino.pino(
    {
      name,
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.errWithCause },
    },
    destination ?? pino.destination({ dest: 2, sync: true }),
  );
  return root;
}

/** Drops everything, at no cost. */
export const silentLogger: Logger = {
  trace: ignore,
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  child: () => silentLogger,
};

/**
 * The level that `GRID_LOG` asks for, `info` without it.
 * @throws BASE_LOG_LEVEL_INVALID
 */
export function logLevelFrom(env: Readonly<Record<string, string | undefined>>): LogLevel {
  const text = env['GRID_LOG'];
  if (text === undefined || text === '') return 'info';
  const level = logLevels.find((known) => known === text);
  if (level !== undefined) return level;
  throw new GridError<BaseErrorCode>('BASE_LOG_LEVEL_INVALID', `GRID_LOG=${text} is no level`, {
    hint: `use one of ${logLevels.join(', ')}`,
    details: { text, levels: logLevels },
  });
}

function ignore(): void {
  // Nothing: this is what silence costs.
}
