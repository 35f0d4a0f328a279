import { createServer } from 'node:net';
import { once } from 'node:events';

import { errorCode, GridError } from '@commongrid/base';

import type { GridErrorCode } from './errors.ts';

interface PortEntry {
  readonly port: number;
  /** Place in a range that starts at `--port-base`. Never reused for something else. */
  readonly offset: number;
  readonly purpose: string;
}

/** Every port of the one-machine grid. Those without a service yet are kept for it. */
export const portTable = {
  zdb: { port: 9900, offset: 0, purpose: 'Zero-DB, Redis protocol' },
  'zdb-metrics': { port: 9901, offset: 1, purpose: 'Zero-DB, metrics' },
  bcdb: { port: 6380, offset: 2, purpose: 'BCDB, Redis protocol' },
  'bcdb-http': { port: 6381, offset: 3, purpose: 'BCDB, HTTP' },
  s3: { port: 9000, offset: 4, purpose: 'S3 archive (kept)' },
  'bcdb-metrics': { port: 6382, offset: 5, purpose: 'BCDB, metrics' },
} as const satisfies Readonly<Record<string, PortEntry>>;

export type PortName = keyof typeof portTable;

/** Ports of one grid. */
export type Ports = ReadonlyMap<PortName, number>;

/** All services of the one-machine grid listen here, and nowhere else. */
export const loopback = '127.0.0.1';

/** Largest offset: a port base must leave room for it. */
export const maxOffset = Math.max(...Object.values(portTable).map(({ offset }) => offset));

/**
 * The port of each name: the usual one without a base, a free one with base 0, base plus offset
 * with any other.
 * @throws GRID_PORT_UNAVAILABLE when one of them is taken or not allowed
 */
export async function choosePorts(
  names: readonly PortName[],
  base: number | undefined,
): Promise<Ports> {
  const wanted = names.map((name) => {
    const { port, offset } = portTable[name];
    if (base === undefined) return { name, port };
    return { name, port: base === 0 ? 0 : base + offset };
  });
  // All are held at the same time, so that no free port is given out twice.
  const probes = await Promise.all(wanted.map(({ port }) => probe(port)));
  await Promise.all(probes.map((held) => held.release()));
  for (const [index, held] of probes.entries()) {
    if (held.error !== undefined) throw unavailable(wanted[index]?.port ?? 0, held.error);
  }
  return new Map(wanted.map(({ name }, index) => [name, probes[index]?.port ?? 0]));
}

interface Probe {
  readonly port: number;
  readonly error?: unknown;
  release(): Promise<void>;
}

async function probe(port: number): Promise<Probe> {
  const server = createServer();
  try {
    server.listen({ port, host: loopback, exclusive: true });
    await once(server, 'listening');
  } catch (error) {
    return { port, error, release: async () => {} };
  }
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    release: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

function unavailable(port: number, cause: unknown): GridError<GridErrorCode> {
  const why = errorCode(cause) === 'EADDRINUSE' ? 'is taken by another program' : 'may not be used';
  return new GridError(
    'GRID_PORT_UNAVAILABLE',
    `port ${port} on ${loopback} ${why} (${errorCode(cause) ?? String(cause)})`,
    { hint: './grid up --port-base 0', details: { port, host: loopback }, cause },
  );
}
