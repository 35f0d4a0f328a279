/** What `base` itself throws. `code` is stable; texts may change. */
export type BaseErrorCode =
  | 'BASE_ABORTED' // the caller's signal fired: nothing to do, the caller asked for it
  | 'BASE_CLOSED' // used after close(): a bug in the caller's order of shutdown
  | 'BASE_CONTROL_ABSENT' // nobody listens at a control socket: start the process that holds the folder
  | 'BASE_CONTROL_FAILED' // a fault in the process behind a control socket: its log says more
  | 'BASE_CONTROL_LOST' // the process behind a control socket ended, or is another version: try again
  | 'BASE_CONTROL_REQUEST' // the process behind a control socket knows no such order: restart it
  | 'BASE_CONTROL_TOO_LONG' // an answer over a control socket is longer than 1 MiB: ask for less
  | 'BASE_FOLDER_LOCKED' // another process owns the folder: stop it, or use another folder
  | 'BASE_HEX_INVALID' // text is not an even number of hex digits: correct the text
  | 'BASE_LISTEN_FAILED' // the metrics port cannot be opened: see the cause, choose another port
  | 'BASE_LOCK_FAILED' // the file system refuses locks: use a local folder
  | 'BASE_LOCK_TOOL_MISSING' // no `flock` program in PATH: install util-linux
  | 'BASE_LOG_LEVEL_INVALID' // GRID_LOG names no level: use one of the levels it lists
  | 'BASE_METRICS_UNPROTECTED' // metrics off loopback without a token: give a token
  | 'BASE_OPTION_INVALID' // an option is outside its range: correct the call
  | 'BASE_PROCESS_STUCK' // a process does not end though it was killed: look at what it waits for in the kernel
  | 'BASE_PROGRAM_FAILED' // a program of the system ended with an error: the message has its words
  | 'BASE_PROGRAM_MISSING' // a program of the system is not installed: install the package that brings it
  | 'BASE_QUEUE_FULL' // a bounded queue is at its limit: slow the producer, then retry
  | 'BASE_SIZE_INVALID' // a text is no size such as 64MiB: correct the text
  | 'BASE_TASKS_FULL' // too many tasks at once: slow the producer, then retry
  | 'BASE_TIMEOUT'; // a deadline passed: retry, or find out why the other side is slow

export interface GridErrorOptions {
  /** The next step for the person who reads it, as one sentence or one command. */
  readonly hint?: string | undefined;
  /** Whether the same call can succeed later without a change. Default false. */
  readonly retryable?: boolean;
  /** Facts for machines. Never a secret: details travel to logs and to callers. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The shape in which an error crosses a process border. */
export interface GridErrorJson {
  readonly schema: 'grid.error.1';
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * The one error class. Each package lists its codes in its own `src/errors.ts` as a string union
 * and throws `new GridError<ThatUnion>(...)`. Codes are API; messages are not.
 */
export class GridError<C extends string = string> extends Error {
  override readonly name: string = 'GridError';
  readonly code: C;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: C, message: string, options: GridErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }

  /** Stack and cause stay behind: they are for the log of the process that threw. */
  toJSON(): GridErrorJson {
    return {
      schema: 'grid.error.1',
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      retryable: this.retryable,
      details: jsonSafe(this.details),
    };
  }
}

/** True when `error` is a GridError, and has this `code` when one is given. */
export function isGridError<C extends string = string>(
  error: unknown,
  code?: C,
): error is GridError<C> {
  return error instanceof GridError && (code === undefined || error.code === code);
}

/** The code of a GridError or of a system error (`ENOENT`, ...); undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The error that a call throws when its signal fires; the signal's reason is the cause. */
export function abortError(signal: AbortSignal): GridError<BaseErrorCode> {
  return new GridError<BaseErrorCode>('BASE_ABORTED', 'stopped before it was done', {
    cause: signal.reason,
  });
}

/** Throws BASE_ABORTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal);
}

/** Amounts of money are bigint: JSON.stringify would throw while an error is being reported. */
function jsonSafe(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const text = JSON.stringify(details, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
  const safe: Record<string, unknown> = JSON.parse(text);
  return safe;
}
