import { once } from 'node:events';
import type { Server, Socket } from 'node:net';

import { eachLine, maxControlLineBytes } from './control-wire.ts';
import type { ControlReply } from './control-wire.ts';
import { GridError } from './errors.ts';
import type { BaseErrorCode } from './errors.ts';
import { closeOnce } from './lifecycle.ts';
import { silentLogger } from './logger.ts';
import type { Logger } from './logger.ts';
import { openPrivateSocket } from './private-socket.ts';

/** What an action is asked for, by name: values that JSON can hold. The action checks them. */
export type ControlArguments = Readonly<Record<string, unknown>>;

export interface ControlContext {
  /** Fires when the caller hangs up or the socket closes. */
  readonly signal: AbortSignal;
  /** Tells the caller how far it is. A caller that does not read misses some of these. */
  readonly progress: (event: unknown) => void;
}

/** Does what is asked and gives what JSON can hold; undefined becomes null. */
export type ControlAction = (args: ControlArguments, context: ControlContext) => Promise<unknown>;

export interface ControlSocketOptions {
  /** Whoever opens it holds the lock of the folder: a socket that is there is a dead process's. */
  readonly path: string;
  readonly actions: Readonly<Record<string, ControlAction>>;
  /** Gets what an action throws that is no GridError. */
  readonly logger?: Logger;
}

/** Callers of a control socket at a time; more are turned away. */
const maxControlCallers = 32;
/** A caller that neither asks nor takes its answer does not stay. */
const controlIdleMs = 10_000;
/** Progress that a caller has not read; beyond it events are left out. */
const maxUnreadProgressBytes = 64 * 1024;

/**
 * How commands talk to the process that holds a folder: a Unix socket in it, for its owner only.
 *
 * A caller sends one line of JSON, `{"action": NAME, "args": {...}}`, and keeps the connection
 * open; hanging up stops the action. The answer is any number of lines `{"progress": ...}`, then
 * one of `{"result": ...}` or `{"error": ...}`, after which the connection ends.
 */
export class ControlSocket implements AsyncDisposable {
  /** Takes no more callers, stops the actions, and waits until they have answered. */
  readonly close: () => Promise<void>;
  readonly #actions: ReadonlyMap<string, ControlAction>;
  readonly #logger: Logger;
  readonly #closing = new AbortController();

  private constructor(server: Server, options: ControlSocketOptions, release: () => Promise<void>) {
    this.#actions = new Map(Object.entries(options.actions));
    this.#logger = options.logger ?? silentLogger;
    server.on('connection', (socket) => this.#accept(socket));
    this.close = closeOnce(async () => {
      this.#closing.abort();
      server.close();
      await once(server, 'close');
      await release();
    });
  }

  static async open(options: ControlSocketOptions): Promise<ControlSocket> {
    const { server, release } = await openPrivateSocket(options.path, maxControlCallers);
    return new ControlSocket(server, options, release);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    const gone = new AbortController();
    const stopIdle = (): void => void (gone.signal.aborted || socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => gone.abort());
    socket.setTimeout(controlIdleMs, () => socket.destroy());
    // One that has not asked yet gets nothing from a socket that closes.
    this.#closing.signal.addEventListener('abort', stopIdle, { once: true, signal: gone.signal });
    let hasAsked = false;
    eachLine(socket, (line) => {
      if (hasAsked) return;
      hasAsked = true;
      this.#closing.signal.removeEventListener('abort', stopIdle);
      void this.#serve(socket, line, AbortSignal.any([gone.signal, this.#closing.signal]));
    });
  }

  async #serve(socket: Socket, line: string | undefined, signal: AbortSignal): Promise<void> {
    socket.setTimeout(0);
    const progress = (event: unknown): void => {
      if (signal.aborted || socket.writableLength > maxUnreadProgressBytes) return;
      socket.write(lineOf({ progress: event }));
    };
    const answer = await this.#answer(line, { signal, progress });
    socket.setTimeout(controlIdleMs);
    socket.end(answer);
  }

  /** The last line. Never throws: what goes wrong is the answer. */
  async #answer(line: string | undefined, context: ControlContext): Promise<string> {
    try {
      const { action, args } = parseRequest(line);
      const act = this.#actions.get(action);
      if (act === undefined) throw badRequest(`there is no action ${action}`);
      const result = lineOf({ result: (await act(args, context)) ?? null });
      if (Buffer.byteLength(result) <= maxControlLineBytes) return result;
      throw new GridError<BaseErrorCode>('BASE_CONTROL_TOO_LONG', `${action} found too much`, {
        hint: 'ask for less',
        details: { maxControlLineBytes },
      });
    } catch (error) {
      if (!(error instanceof GridError)) this.#logger.error({ err: error }, 'an order failed');
      return lineOf({ error: asGridError(error).toJSON() });
    }
  }
}

function lineOf(reply: ControlReply): string {
  return `${JSON.stringify(reply)}\n`;
}

function parseRequest(line: string | undefined): { action: string; args: ControlArguments } {
  if (line === undefined) throw badRequest('it is too long');
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw badRequest('it is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw badRequest('it is no object');
  const { action, args } = value as { action?: unknown; args?: unknown };
  if (typeof action !== 'string') throw badRequest('it names no action');
  if (typeof args !== 'object' || args === null) throw badRequest('it has no arguments');
  return { action, args: args as ControlArguments };
}

function badRequest(why: string): GridError<BaseErrorCode> {
  return new GridError('BASE_CONTROL_REQUEST', `this order cannot be taken: ${why}`, {
    hint: 'use the same version on both sides: restart the process that runs',
  });
}

function asGridError(error: unknown): GridError {
  if (error instanceof GridError) return error;
  return new GridError<BaseErrorCode>('BASE_CONTROL_FAILED', String(error), { cause: error });
}
