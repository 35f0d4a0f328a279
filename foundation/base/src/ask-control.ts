import { connect } from 'node:net';
import type { Socket } from 'node:net';

import type { ControlArguments } from './control-socket.ts';
import { eachLine, socketAddress } from './control-wire.ts';
import type { ControlReply } from './control-wire.ts';
import { withTimeout } from './deadline.ts';
import { errorCode, GridError } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';

export interface AskControlOptions {
  /** Time for the whole answer. Default: none, until `signal` fires. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (event: unknown) => void;
}

/**
 * Asks the process that listens at a `ControlSocket` and gives its result, which comes from a
 * process of the same user: shape it with `as`. Ending early, by timeout or signal, stops the
 * action there.
 * @throws what the action throws, with its code and hint; BASE_CONTROL_ABSENT when nobody
 *   listens, BASE_CONTROL_LOST when the other side ended before it had answered, BASE_TIMEOUT,
 *   BASE_ABORTED
 */
export async function askControl(
  path: string,
  action: string,
  args: ControlArguments = {},
  options: AskControlOptions = {},
): Promise<unknown> {
  const { timeoutMs = noTimeoutMs, signal, onProgress } = options;
  const { address, release } = await socketAddress(path).catch((error: unknown) => {
    throw connectError(path, error);
  });
  const socket = connect(address);
  try {
    const order = `${JSON.stringify({ action, args })}\n`;
    const what = `an answer to ${action}`;
    const talk = (): Promise<unknown> => converse(socket, path, order, onProgress);
    return await withTimeout(talk, { timeoutMs, what, signal });
  } finally {
    socket.destroy();
    await release();
  }
}

/** Whoever gives none waits for as long as the other side lives. */
const noTimeoutMs = Number.MAX_SAFE_INTEGER;

function converse(
  socket: Socket,
  path: string,
  order: string,
  onProgress: ((event: unknown) => void) | undefined,
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  // A caller that was given up has nobody left to tell.
  promise.catch(() => {});
  socket.once('connect', () => socket.write(order));
  socket.on('error', (error) => reject(connectError(path, error)));
  socket.on('close', () => reject(lost(path)));
  eachLine(socket, (line) => {
    const reply = parseReply(line);
    if (reply === undefined) reject(lost(path));
    else if ('progress' in reply) onProgress?.(reply.progress);
    else if ('result' in reply) resolve(reply.result);
    else reject(thrownThere(reply.error));
  });
  return promise;
}

function parseReply(line: string | undefined): ControlReply | undefined {
  try {
    return line === undefined ? undefined : (JSON.parse(line) as ControlReply);
  } catch {
    return undefined;
  }
}

function thrownThere(error: Extract<ControlReply, { error: unknown }>['error']): GridError {
  const { code, message, hint, retryable, details } = error;
  return new GridError(code, message, { hint, retryable, details });
}

function connectError(path: string, cause: unknown): unknown {
  const code = errorCode(cause) ?? '';
  if (code === 'ECONNRESET' || code === 'EPIPE') return lost(path, cause);
  if (code !== 'ENOENT' && code !== 'ECONNREFUSED') return cause;
  return new GridError<BaseErrorCode>('BASE_CONTROL_ABSENT', `nobody listens at ${path}`, {
    hint: 'start the process that holds this folder',
    details: { path },
    cause,
  });
}

function lost(path: string, cause?: unknown): GridError<BaseErrorCode> {
  return new GridError('BASE_CONTROL_LOST', `no whole answer came from ${path}`, {
    hint: 'look whether the process that holds this folder still runs, then try again',
    retryable: true,
    details: { path },
    cause,
  });
}
