import { chmod, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { closeOnce, errorCode, GridError, isGridError, withTimeout } from '@commongrid/base';
import type { GridErrorJson } from '@commongrid/base';

import type { GridErrorCode } from '../errors.ts';
import type { GridHome } from '../home.ts';
import type { GridState } from './grid-state.ts';

/** What the supervisor does on request. Services by name; none means all. */
export interface ControlRequest {
  readonly action: 'status' | 'start' | 'stop' | 'shutdown';
  readonly services: readonly string[];
}

/** One JSON object each way, then the connection ends. */
type ControlReply = { readonly state: GridState } | { readonly error: GridErrorJson };

export type ControlHandler = (request: ControlRequest) => Promise<GridState>;

/** Longest request; more is cut off. */
const maxRequestBytes = 64 * 1024;
/** Open connections to the socket. */
const maxConnections = 32;
/** A connection that says nothing does not stay. */
const idleTimeoutMs = 10_000;

/** The supervisor's end of the control socket, run/control.sock: for its owner only. */
export class ControlServer implements AsyncDisposable {
  readonly close: () => Promise<void>;

  constructor(server: Server) {
    this.close = closeOnce(async () => {
      server.close();
      await once(server, 'close');
    });
  }

  /** The caller holds the lock of run/: a socket that is there is a dead supervisor's. */
  static async open(home: GridHome, handler: ControlHandler): Promise<ControlServer> {
    const path = socketPath(home);
    await rm(path, { force: true });
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      void serve(socket, handler);
    });
    server.maxConnections = maxConnections;
    server.listen(path);
    await once(server, 'listening');
    await chmod(path, 0o600);
    return new ControlServer(server);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Asks the supervisor of a home. Undefined when there is none that listens.
 * @throws what the supervisor answers, GRID_SUPERVISOR_UNREACHABLE when it does not in time
 */
export async function askSupervisor(
  home: GridHome,
  request: ControlRequest,
  timeoutMs: number,
): Promise<GridState | undefined> {
  const socket = connect(socketPath(home));
  try {
    const what = 'an answer of the supervisor';
    const answer = await withTimeout(() => converse(socket, request), { timeoutMs, what });
    const reply = JSON.parse(answer) as ControlReply;
    if ('state' in reply) return reply.state;
    const { code, message, hint, retryable, details } = reply.error;
    throw new GridError(code, message, { hint, retryable, details });
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED'].includes(errorCode(error) ?? '')) return undefined;
    const isLost = error instanceof SyntaxError || isGridError(error, 'BASE_TIMEOUT');
    throw isLost || errorCode(error) === 'ECONNRESET' ? unreachable(error) : error;
  } finally {
    socket.on('error', () => {});
    socket.destroy();
  }
}

async function converse(socket: Socket, request: ControlRequest): Promise<string> {
  await once(socket, 'connect');
  socket.end(JSON.stringify(request));
  return text(socket);
}

async function serve(socket: Socket, handler: ControlHandler): Promise<void> {
  socket.on('error', () => socket.destroy());
  socket.setTimeout(idleTimeoutMs, () => socket.destroy());
  let reply: ControlReply;
  try {
    const request = parseRequest(await readRequest(socket));
    socket.setTimeout(0);
    reply = { state: await handler(request) };
  } catch (error) {
    reply = { error: asGridError(error).toJSON() };
  }
  socket.setTimeout(idleTimeoutMs);
  socket.end(JSON.stringify(reply));
}

async function readRequest(socket: Socket): Promise<string> {
  let received = '';
  for await (const part of socket.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    received += String(part);
    if (received.length > maxRequestBytes) throw badRequest('it is too long');
  }
  return received;
}

function parseRequest(received: string): ControlRequest {
  let value: unknown;
  try {
    value = JSON.parse(received);
  } catch {
    throw badRequest('it is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw badRequest('it is no object');
  const { action, services } = value as Partial<Record<keyof ControlRequest, unknown>>;
  if (action !== 'status' && action !== 'start' && action !== 'stop' && action !== 'shutdown') {
    throw badRequest('it asks for no known action');
  }
  if (!Array.isArray(services) || !services.every((name) => typeof name === 'string')) {
    throw badRequest('its services are no list of names');
  }
  return { action, services };
}

function badRequest(why: string): GridError<GridErrorCode> {
  return new GridError('GRID_CONTROL_REQUEST', `the supervisor cannot read the request: ${why}`, {
    hint: './grid down, then ./grid up',
  });
}

function unreachable(cause: unknown): GridError<GridErrorCode> {
  return new GridError('GRID_SUPERVISOR_UNREACHABLE', 'the supervisor does not answer', {
    hint: './grid down, then ./grid up',
    retryable: true,
    cause,
  });
}

function asGridError(error: unknown): GridError {
  if (error instanceof GridError) return error;
  return new GridError<GridErrorCode>('GRID_INTERNAL', String(error), { cause: error });
}

function socketPath(home: GridHome): string {
  return join(home.run, 'control.sock');
}
