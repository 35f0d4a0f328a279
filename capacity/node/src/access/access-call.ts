import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';

import { errorCode, GridError, socketAddress } from '@commongrid/base';
import type { GridErrorJson } from '@commongrid/base';

import type { TerminalSize } from '../container/container-exec.ts';
import type { NodeErrorCode } from '../errors.ts';
import type { LogLine } from '../logs/log-line.ts';
import type { AccessRequest } from './access-request.ts';
import { AccessWire, frameKinds, invalid, jsonFrom } from './access-wire.ts';
import type { AccessFrame } from './access-wire.ts';

export interface AccessCallOptions {
  /** Socket of the node. */
  readonly path: string;
  /** By `signAccess`, for what is asked. */
  readonly token: string;
  /** Hangs up. */
  readonly signal?: AbortSignal | undefined;
}

export interface ExecCallOptions extends AccessCallOptions {
  readonly command: readonly string[];
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Runs it in a terminal of this size. */
  readonly terminal?: TerminalSize | undefined;
  /** Calls the listener when the size changes. */
  readonly onResize?: ((listener: (size: TerminalSize) => void) => Disposable) | undefined;
}

/**
 * Runs a command in a container of the node at a socket.
 * @returns its exit code
 * @throws NODE_ABSENT, NODE_ACCESS_LOST, NODE_ACCESS_INVALID, and what the node refuses with
 */
export async function callExec(options: ExecCallOptions): Promise<number> {
  const { token, command, terminal, stdin, onResize } = options;
  const request: AccessRequest = { v: 1, verb: 'exec', token, command, terminal };
  await using call = await openCall(options, request);
  const { wire } = call;
  using _watch = onResize?.((size) => {
    void wire.sendJson(frameKinds.resize, size).catch(() => {});
  });
  // It may never end, as that of a terminal: nobody waits for it.
  void sendInput(wire, stdin).catch(() => {});
  for await (const { kind, payload } of framesOf(wire)) {
    if (kind === frameKinds.stdout) await written(options.stdout, payload);
    else if (kind === frameKinds.stderr) await written(options.stderr, payload);
    else if (kind === frameKinds.exit) return exitCodeFrom(payload);
  }
  throw lost();
}

export interface LogsCallOptions extends AccessCallOptions {
  readonly tail: number;
  readonly follow: boolean;
}

/** What a container printed. @throws what `callExec` throws */
export async function* callLogs(options: LogsCallOptions): AsyncGenerator<LogLine, void> {
  const { token, tail, follow } = options;
  await using call = await openCall(options, { v: 1, verb: 'logs', token, tail, follow });
  for await (const { kind, payload } of framesOf(call.wire)) {
    if (kind === frameKinds.line) yield jsonFrom(payload) as LogLine;
    else if (kind === frameKinds.exit) return;
  }
}

/**
 * Ends what runs in a container of the node and begins it again. Resolves once it runs.
 * @throws what `callExec` throws, NODE_NOT_CONTAINER, NODE_RESTART_UNWANTED, NODE_RESTART_OVERTAKEN
 */
export async function callRestart(options: AccessCallOptions): Promise<void> {
  await using call = await openCall(options, { v: 1, verb: 'restart', token: options.token });
  for await (const { kind } of framesOf(call.wire)) if (kind === frameKinds.exit) return;
  throw lost();
}

interface OpenCall extends AsyncDisposable {
  readonly wire: AccessWire;
}

async function openCall(
  { path, signal }: AccessCallOptions,
  request: AccessRequest,
): Promise<OpenCall> {
  const { address, release } = await socketAddress(path).catch((error: unknown) => {
    throw connectError(path, error);
  });
  const socket = connect(address);
  const onAbort = (): void => void socket.destroy();
  signal?.addEventListener('abort', onAbort, { once: true });
  const close = async (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort);
    socket.destroy();
    await release();
  };
  try {
    await connected(socket, path);
    const wire = new AccessWire(socket);
    await wire.sendHeader(request);
    return { wire, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function connected(socket: Socket, path: string): Promise<void> {
  try {
    await once(socket, 'connect');
  } catch (error) {
    throw connectError(path, error);
  }
  // What goes wrong later is seen by whoever reads or writes.
  socket.on('error', () => {});
}

/** What the node says, until it hangs up. @throws what it refuses with */
async function* framesOf(wire: AccessWire): AsyncGenerator<AccessFrame, void> {
  for (;;) {
    const frame = await wire.readFrame();
    if (frame === undefined) return;
    if (frame.kind === frameKinds.error) throw refusalFrom(frame.payload);
    if (frame.kind !== frameKinds.alive) yield frame;
  }
}

async function sendInput(wire: AccessWire, stdin: Readable): Promise<void> {
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    await wire.sendBytes(frameKinds.stdin, Buffer.from(chunk));
  }
  await wire.sendEmpty(frameKinds.stdin);
}

async function written(stream: Writable, bytes: Buffer): Promise<void> {
  if (!stream.write(bytes)) await once(stream, 'drain');
}

function exitCodeFrom(payload: Buffer): number {
  const { exitCode } = jsonFrom(payload) as Partial<Record<string, unknown>>;
  if (typeof exitCode === 'number') return exitCode;
  throw invalid('the command has no exit code');
}

function lost(): GridError<NodeErrorCode> {
  return new GridError('NODE_ACCESS_LOST', 'the node hung up before the end', {
    hint: 'see whether the node still runs',
    retryable: true,
  });
}

function refusalFrom(payload: Buffer): GridError {
  const { code, message, hint, retryable, details } = jsonFrom(payload) as GridErrorJson;
  return new GridError(code, message, { hint, retryable, details });
}

function connectError(path: string, cause: unknown): unknown {
  if (!['ENOENT', 'ECONNREFUSED'].includes(errorCode(cause) ?? '')) return cause;
  return nodeAbsent(path, cause);
}

/** Nobody listens where a node would. */
export function nodeAbsent(path: string, cause?: unknown): GridError<NodeErrorCode> {
  return new GridError('NODE_ABSENT', `no node listens at ${path}`, {
    hint: 'start it: grid node start',
    details: { path },
    cause,
  });
}
