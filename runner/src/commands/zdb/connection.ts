import { readFile } from 'node:fs/promises';

import { errorCode, GridError } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';
import type { ClientTlsOptions, Reply, RespClientOptions } from '@commongrid/resp';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { GridHome } from '../../home.ts';
import { lookAt } from '../../one-machine-grid.ts';
import { refusalOf } from './server-refusal.ts';

/** Which server a command talks to. Without an address: the Zero-DB of the grid on this machine. */
export type ServerOptions = JsonOption & {
  readonly address?: Address;
  readonly socket?: string;
  readonly passwordFile?: string;
  readonly tlsCa?: string;
  readonly tlsPin?: string;
};

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A command against a running Zero-DB. */
export function serverCommand(name: string, description: string): Command {
  return resultCommand(name, description)
    .option(
      '--address <host:port>',
      'the server; default: the one that `grid up` started',
      parseAddress,
    )
    .option('--socket <path>', 'its Unix socket instead')
    .option('--password-file <file>', 'file with the admin password')
    .option('--tls-ca <file>', 'speak TLS; the authority that signed, as PEM')
    .option('--tls-pin <sha256>', 'speak TLS; the fingerprint of the certificate to trust');
}

/** Connects, runs `work`, and closes. What the server refuses is thrown with a code of its own. */
export async function withServer<T>(
  context: CommandContext,
  options: ServerOptions,
  work: (client: RespClient) => Promise<T>,
): Promise<T> {
  try {
    await using client = await RespClient.connect(await clientOptions(context, options));
    return await work(client);
  } catch (error) {
    throw refusalOf(error);
  }
}

/** The text of a reply that is one. */
export function textOf(reply: Reply): string {
  if (Buffer.isBuffer(reply)) return reply.toString();
  if (typeof reply === 'string' || typeof reply === 'number') return String(reply);
  throw new TypeError('the server answered with something that is no text');
}

/** Reads `HOST:PORT` or `[IPV6]:PORT`. */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new InvalidArgumentError('give an address such as 127.0.0.1:9900 or [::1]:9900');
}

/** The content of a file with one secret in it. @throws GRID_SECRET_UNREADABLE */
export async function readSecret(file: string): Promise<string> {
  let secret: string;
  try {
    secret = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw unreadable(file, errorCode(error) ?? String(error), error);
  }
  if (secret === '') throw unreadable(file, 'it is empty');
  return secret;
}

async function clientOptions(
  context: CommandContext,
  options: ServerOptions,
): Promise<RespClientOptions> {
  const { address, socket, passwordFile, tlsCa, tlsPin } = options;
  if (address === undefined && socket === undefined) return ownServer(context, passwordFile);
  const tls = await tlsTrust(tlsCa, tlsPin);
  return {
    ...(socket === undefined ? address : { socketPath: socket }),
    ...(passwordFile === undefined ? {} : { password: await readSecret(passwordFile) }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** What a TLS connection trusts; undefined when neither was named: no TLS. */
export async function tlsTrust(
  caFile: string | undefined,
  pin: string | undefined,
): Promise<ClientTlsOptions | undefined> {
  if (caFile === undefined && pin === undefined) return undefined;
  return {
    ...(caFile === undefined ? {} : { ca: await readFile(caFile) }),
    ...(pin === undefined ? {} : { fingerprint256: pin }),
  };
}

async function ownServer(
  { environment }: CommandContext,
  passwordFile: string | undefined,
): Promise<RespClientOptions> {
  const { state } = await lookAt(environment.home);
  const address = state?.services['zdb']?.address;
  if (address === undefined) {
    throw new GridError<GridErrorCode>('GRID_NOT_UP', 'no grid runs on this machine', {
      hint: './grid up, or name a server with --address',
      details: { home: environment.home },
    });
  }
  const password = await readSecret(passwordFile ?? new GridHome(environment.home).zdbPasswordFile);
  return { ...parseAddress(address), password };
}

function unreadable(file: string, why: string, cause?: unknown): GridError<GridErrorCode> {
  return new GridError('GRID_SECRET_UNREADABLE', `cannot read the secret in ${file}: ${why}`, {
    hint: 'name a file that holds it and that you may read',
    details: { file },
    cause,
  });
}
