import { readFile } from 'node:fs/promises';

import type { DoorOptions } from '@commongrid/bcdb';
import { Option } from 'commander';
import type { Command } from 'commander';

import { parseAddress } from '../zdb/connection.ts';
import type { Address } from '../zdb/connection.ts';

/** Where a database is to be served. */
export interface DoorFlags {
  readonly http: Address;
  readonly allowOrigin?: readonly string[];
  readonly redis?: Address;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly metrics?: Address;
}

/** Where it is served. */
export interface OpenDoors {
  readonly http: string;
  readonly redis: string | null;
  readonly metrics: string | null;
}

/** A command that serves a database. */
export function withDoors(command: Command): Command {
  return command
    .addOption(
      new Option('--http <host:port>', 'address of the HTTP door')
        .argParser(parseAddress)
        .default({ host: '127.0.0.1', port: 6381 }, '127.0.0.1:6381'),
    )
    .option('--allow-origin <origins...>', 'pages that may use it: https://app.example.org')
    .option('--redis <host:port>', 'address of the Redis protocol; none without it', parseAddress)
    .option('--tls-cert <file>', 'certificate, PEM: the Redis protocol speaks TLS')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--metrics <host:port>', 'address of the Prometheus metrics', parseAddress);
}

export async function doorsOf(flags: DoorFlags): Promise<DoorOptions> {
  const { http, allowOrigin, redis, tlsCert, tlsKey, metrics } = flags;
  return {
    http,
    ...(allowOrigin === undefined ? {} : { origins: allowOrigin }),
    ...(redis === undefined ? {} : { redis }),
    ...(tlsCert === undefined || tlsKey === undefined
      ? {}
      : { redisTls: { cert: await readFile(tlsCert), key: await readFile(tlsKey) } }),
    ...(metrics === undefined ? {} : { metrics }),
  };
}

/** Where a server listens, as a report says it. */
export function openDoorsOf(server: {
  readonly httpAddress: Address;
  readonly redisAddress: Address | undefined;
  readonly metricsAddress: Address | undefined;
}): OpenDoors {
  const { httpAddress, redisAddress, metricsAddress } = server;
  return {
    http: formatAddress(httpAddress),
    redis: redisAddress === undefined ? null : formatAddress(redisAddress),
    metrics: metricsAddress === undefined ? null : formatAddress(metricsAddress),
  };
}

export function doorLines({ http, redis, metrics }: OpenDoors): string[] {
  return [
    `HTTP: http://${http}`,
    ...(redis === null ? [] : [`Redis protocol: ${redis}`]),
    ...(metrics === null ? [] : [`metrics: http://${metrics}/metrics`]),
  ];
}

function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
