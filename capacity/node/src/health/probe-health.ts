import { once } from 'node:events';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';

import { errorCode, GridError, isGridError, withTimeout } from '@commongrid/base';
import type { Health } from '@commongrid/model';

import type { NodeErrorCode } from '../errors.ts';

/** Where a container can be asked. */
export interface ProbeTarget {
  readonly address: string;
  /** Its ports by their names. */
  readonly ports: ReadonlyMap<string, number>;
  /** Runs a command in it; resolves with its exit code. */
  readonly exec: (command: readonly string[], signal: AbortSignal) => Promise<number>;
}

/** Headers of an answer; a longer one is a failure. Bodies are not read. */
const headerBytesMax = 16 * 1024;

/**
 * Asks a container once whether it works. That its process runs, which is all that `process` asks
 * for, the caller knows already.
 * @throws NODE_UNHEALTHY with what was wrong; NODE_CONFIG_INVALID; BASE_ABORTED
 */
export async function probeHealth(
  health: Health,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<void> {
  const { probe, timeoutSeconds } = health;
  if (probe === 'process') return;
  const limits = { timeoutMs: timeoutSeconds * 1_000, what: `an answer to ${probe}`, signal };
  try {
    await withTimeout((stop) => ask(health, target, stop), limits);
  } catch (error) {
    const isKnown = isGridError(error) && error.code !== 'BASE_TIMEOUT';
    throw isKnown ? error : unhealthy(reasonOf(error), error);
  }
}

async function ask(health: Health, target: ProbeTarget, signal: AbortSignal): Promise<void> {
  const { probe, path = '/', command = [] } = health;
  if (probe === 'exec') {
    const exitCode = await target.exec(command, signal);
    if (exitCode !== 0) throw unhealthy(`${command.join(' ')} ended with ${exitCode}`);
    return;
  }
  const port = portOf(health, target);
  if (probe === 'tcp') return askTcp(target.address, port, signal);
  const status = await askHttp(target.address, port, path, signal);
  if (status < 200 || status > 399) throw unhealthy(`GET ${path} was answered with ${status}`);
}

async function askTcp(host: string, port: number, signal: AbortSignal): Promise<void> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect', { signal });
  } finally {
    socket.destroy();
  }
}

async function askHttp(
  host: string,
  port: number,
  path: string,
  signal: AbortSignal,
): Promise<number> {
  const request = get({ host, port, path, agent: false, maxHeaderSize: headerBytesMax, signal });
  // Whatever happens after the answer is nobody's concern.
  request.on('error', () => {});
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.destroy();
  return response.statusCode ?? 0;
}

function portOf({ port }: Health, { ports }: ProbeTarget): number {
  const number = ports.get(port ?? '');
  if (number !== undefined) return number;
  throw new GridError<NodeErrorCode>(
    'NODE_CONFIG_INVALID',
    `health names the port ${JSON.stringify(port ?? '')}, which the container does not have`,
    { hint: 'name one of its ports' },
  );
}

function reasonOf(error: unknown): string {
  if (errorCode(error) === 'ECONNREFUSED') return 'nobody listens there';
  return error instanceof Error ? error.message : String(error);
}

function unhealthy(reason: string, cause?: unknown): GridError<NodeErrorCode> {
  return new GridError('NODE_UNHEALTHY', reason, {
    hint: 'look at its log',
    retryable: true,
    cause,
  });
}
