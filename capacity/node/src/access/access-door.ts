import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import type { Readable } from 'node:stream';

import {
  closeOnce,
  GridError,
  isGridError,
  openPrivateSocket,
  repeat,
  silentLogger,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { Workload, WorkloadId } from '@commongrid/model';

import type { ContainerProcess, TerminalSize } from '../container/container-exec.ts';
import type { NodeErrorCode } from '../errors.ts';
import type { ContainerAccess } from '../machine/machine.ts';
import { shortIdOf } from '../short-id.ts';
import type { AccessDesk, AccessView } from './access-desk.ts';
import { readRequest } from './access-request.ts';
import type { AccessRequest } from './access-request.ts';
import { AccessWire, frameKinds, invalid, jsonFrom } from './access-wire.ts';

export interface AccessDoorOptions {
  /** Of the socket. Whoever opens it holds the lock of the folder. */
  readonly path: string;
  readonly desk: Pick<AccessDesk, 'verify'>;
  /** What the node knows now. */
  readonly view: () => AccessView;
  readonly containers: ContainerAccess;
  /** What a workload of the node is; undefined where it has none of that id. */
  readonly kindOf: (workload: WorkloadId) => Workload['kind'] | undefined;
  /** Ends what runs and begins it again; resolves once it runs. */
  readonly restart: (workload: WorkloadId) => Promise<void>;
  readonly logger?: Logger;
}

/** Owners who are served at a time; more are turned away. */
const callersMax = 128;
/** Time for a caller to say what he wants, ms. */
const headerTimeoutMs = 10_000;
/** So often a caller is told that the node is there: else one that hung up is not noticed, ms. */
const aliveEveryMs = 5_000;

/**
 * Where owners come to their workloads: a Unix socket over which commands run in containers and logs
 * are read, each call by a token. docs/formats/node-access.md says how one talks to it.
 */
export class AccessDoor implements AsyncDisposable {
  /** Takes no more callers, ends the commands that run, and waits for that. */
  readonly close: () => Promise<void>;
  readonly #options: AccessDoorOptions;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  readonly #serving = new Set<Promise<void>>();

  private constructor(server: Server, options: AccessDoorOptions, release: () => Promise<void>) {
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    server.on('connection', (socket) => {
      const served = this.#accept(socket).finally(() => this.#serving.delete(served));
      this.#serving.add(served);
    });
    this.close = closeOnce(async () => {
      this.#closing.abort();
      server.close();
      await Promise.all([once(server, 'close'), ...this.#serving]);
      await release();
    });
  }

  static async open(options: AccessDoorOptions): Promise<AccessDoor> {
    const { server, release } = await openPrivateSocket(options.path, callersMax);
    return new AccessDoor(server, options, release);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #accept(socket: Socket): Promise<void> {
    const gone = new AbortController();
    const closed = new AbortController();
    socket.on('error', () => {});
    socket.once('close', () => {
      closed.abort();
      gone.abort();
    });
    socket.setTimeout(headerTimeoutMs, () => socket.destroy());
    const onClosing = (): void => void socket.destroy();
    this.#closing.signal.addEventListener('abort', onClosing, { once: true });
    const wire = new AccessWire(socket);
    try {
      await this.#serve(wire, gone, () => socket.setTimeout(0));
    } catch (error) {
      await this.#refuse(wire, error);
    } finally {
      this.#closing.signal.removeEventListener('abort', onClosing);
      // A caller that does not take the last word does not stay.
      socket.setTimeout(headerTimeoutMs);
      wire.end();
      await once(socket, 'finish', { signal: closed.signal }).catch(() => {});
      socket.destroy();
    }
  }

  async #serve(wire: AccessWire, gone: AbortController, onHeader: () => void): Promise<void> {
    const request = readRequest(await wire.readHeader());
    onHeader();
    const { desk, view } = this.#options;
    const { workload } = await desk.verify(request.token, request.verb, view());
    const key = shortIdOf(workload);
    if (request.verb === 'exec') await this.#exec(wire, key, request, gone);
    else if (request.verb === 'logs') await this.#logs(wire, key, request, gone);
    else await this.#restart(wire, workload, gone);
  }

  async #exec(
    wire: AccessWire,
    key: string,
    { command, terminal }: AccessRequest & { readonly verb: 'exec' },
    gone: AbortController,
  ): Promise<void> {
    const process = await this.#options.containers.exec(key, command, terminal);
    const alive = sendAlive(wire, gone);
    const onGone = (): void => void process.kill().catch((err) => this.#killFailed(err));
    gone.signal.addEventListener('abort', onGone, { once: true });
    if (gone.signal.aborted) onGone();
    // It ends with the connection, not with the command.
    let fault: unknown;
    void takeInput(wire, process)
      .catch((error: unknown) => (fault = error))
      .finally(() => gone.abort());
    try {
      const outputs = [
        sendOutput(wire, frameKinds.stdout, process.stdout, gone),
        sendOutput(wire, frameKinds.stderr, process.stderr, gone),
      ];
      const exitCode = await process.exited;
      await Promise.all(outputs);
      if (fault !== undefined) throw asError(fault);
      await wire.sendJson(frameKinds.exit, { exitCode });
    } finally {
      gone.signal.removeEventListener('abort', onGone);
      await alive.stop();
    }
  }

  async #logs(
    wire: AccessWire,
    key: string,
    { tail, follow }: AccessRequest & { readonly verb: 'logs' },
    gone: AbortController,
  ): Promise<void> {
    using ring = await this.#options.containers.readLog(key);
    const alive = sendAlive(wire, gone);
    const hangUp = endOf(wire).finally(() => gone.abort());
    hangUp.catch(() => {});
    try {
      const lines = follow ? ring.follow({ signal: gone.signal, tail }) : await ring.tail(tail);
      for await (const line of lines) await wire.sendJson(frameKinds.line, line);
      await wire.sendJson(frameKinds.exit, { exitCode: 0 });
    } finally {
      await alive.stop();
    }
  }

  /** It goes on when the caller hangs up, for what ended has to begin again. */
  async #restart(wire: AccessWire, workload: WorkloadId, gone: AbortController): Promise<void> {
    const { kindOf, restart } = this.#options;
    const kind = kindOf(workload);
    // Others stop and start with what uses them, and nothing of theirs would begin anew.
    if (kind !== undefined && kind !== 'container') throw notContainer(workload, kind);
    const alive = sendAlive(wire, gone);
    const hangUp = endOf(wire).finally(() => gone.abort());
    hangUp.catch(() => {});
    try {
      await Promise.race([restart(workload), hangUp]);
      await wire.sendJson(frameKinds.exit, { exitCode: 0 });
    } finally {
      await alive.stop();
    }
  }

  async #refuse(wire: AccessWire, error: unknown): Promise<void> {
    // A caller that hung up hears nothing.
    if (isGridError(error, 'NODE_ACCESS_LOST')) return;
    if (!isGridError(error)) this.#logger.error({ err: error }, 'a call of an owner failed');
    const told = asError(error);
    await wire.sendJson(frameKinds.error, told.toJSON()).catch(() => {});
  }

  #killFailed(error: unknown): void {
    this.#logger.warn({ err: error }, 'a command whose caller hung up does not end');
  }
}

/** Passes on what the caller types, until he hangs up. */
async function takeInput(wire: AccessWire, process: ContainerProcess): Promise<void> {
  for (;;) {
    const frame = await wire.readFrame();
    if (frame === undefined) return;
    const { kind, payload } = frame;
    if (kind === frameKinds.resize) await process.resize(sizeFrom(payload));
    else if (kind !== frameKinds.stdin) throw invalid(`a caller sends no frames of kind ${kind}`);
    else if (payload.length === 0) process.stdin.end();
    else if (process.stdin.writable && !process.stdin.write(payload)) await drained(process);
  }
}

/** A program that ended, or closed its input, takes no more: what comes is dropped. */
async function drained({ stdin }: ContainerProcess): Promise<void> {
  const over = new AbortController();
  const onClose = (): void => over.abort();
  stdin.once('close', onClose);
  await once(stdin, 'drain', { signal: over.signal }).catch(() => {});
  stdin.off('close', onClose);
}

/** Once nobody listens the rest is dropped, so that the command can end. */
async function sendOutput(
  wire: AccessWire,
  kind: number,
  stream: Readable,
  gone: AbortController,
): Promise<void> {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (gone.signal.aborted) continue;
    await wire.sendBytes(kind, chunk).catch(() => gone.abort());
  }
}

/** A caller of logs, or of a restart, has nothing more to say: resolves once he hung up. */
async function endOf(wire: AccessWire): Promise<void> {
  while ((await wire.readFrame()) !== undefined);
}

function sendAlive(wire: AccessWire, gone: AbortController): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, gone.signal]);
  const sending = repeat(aliveEveryMs, () => wire.sendEmpty(frameKinds.alive), {
    signal,
    onError: () => gone.abort(),
  });
  return {
    stop: async () => {
      stopping.abort();
      await sending;
    },
  };
}

/** @throws NODE_ACCESS_INVALID */
function sizeFrom(payload: Buffer): TerminalSize {
  const { rows, columns } = jsonFrom(payload) as Partial<Record<string, unknown>>;
  if (typeof rows === 'number' && typeof columns === 'number') return { rows, columns };
  throw invalid('a size has rows and columns');
}

function notContainer(workload: WorkloadId, kind: Workload['kind']): GridError<NodeErrorCode> {
  return new GridError('NODE_NOT_CONTAINER', `${workload} is a ${kind}`, {
    hint: 'name a container: grid node workloads',
    details: { workload, kind },
  });
}

function asError(error: unknown): GridError {
  if (isGridError(error)) return error;
  return new GridError<NodeErrorCode>('NODE_FAULT', String(error), { cause: error });
}
