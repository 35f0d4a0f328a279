import { createServer } from 'node:net';
import { once } from 'node:events';

import { errorCode, GridError, reservePort } from '@commongrid/base';

import type { GridErrorCode } from './errors.ts';

interface PortEntry {
  readonly port: number;
  /** Place in a range that starts at `--port-base`. Never reused for something else. */
  readonly offset: number;
  readonly purpose: string;
}

/** Every port of the one-machine grid but those of the Zero-DBs of its storage. */
const singlePorts = {
  zdb: { port: 9900, offset: 0, purpose: 'Zero-DB, Redis protocol' },
  'zdb-metrics': { port: 9901, offset: 1, purpose: 'Zero-DB, metrics' },
  bcdb: { port: 6380, offset: 2, purpose: 'BCDB, Redis protocol' },
  'bcdb-http': { port: 6381, offset: 3, purpose: 'BCDB, HTTP' },
  s3: { port: 9000, offset: 4, purpose: 'S3' },
  'bcdb-metrics': { port: 6382, offset: 5, purpose: 'BCDB, metrics' },
  's3-metrics': { port: 9001, offset: 6, purpose: 'S3, metrics' },
  hub: { port: 9100, offset: 7, purpose: 'hub of images' },
  'hub-metrics': { port: 9101, offset: 8, purpose: 'hub, metrics' },
  'node-zdb': { port: 9902, offset: 9, purpose: 'Zero-DB, of workloads' },
  'node-metrics': { port: 9903, offset: 34, purpose: 'node, metrics' },
  'bot-farmer': { port: 9950, offset: 35, purpose: '3Bot of the owner' },
  'bot-buyer': { port: 9951, offset: 36, purpose: '3Bot of a buyer' },
  'bot-farmer-metrics': { port: 9952, offset: 37, purpose: '3Bot of the owner, metrics' },
  'bot-buyer-metrics': { port: 9953, offset: 38, purpose: '3Bot of a buyer, metrics' },
  'front-door-metrics': { port: 9954, offset: 39, purpose: 'front door, metrics' },
} as const satisfies Readonly<Record<string, PortEntry>>;

/** Most Zero-DBs of a storage: `zdb-1` to `zdb-24`. */
const backendsMax = 24;
const firstBackend = { port: 9911, offset: 10 };

export type PortName = keyof typeof singlePorts | `zdb-${number}`;

export const portNames: readonly PortName[] = [
  ...(Object.keys(singlePorts) as (keyof typeof singlePorts)[]),
  ...Array.from({ length: backendsMax }, (_, at) => `zdb-${at + 1}` as const),
];

export function portEntry(name: PortName): PortEntry {
  const [, no] = /^zdb-(\d+)$/.exec(name) ?? [];
  if (no === undefined) return singlePorts[name as keyof typeof singlePorts];
  const at = Number(no) - 1;
  const { port, offset } = firstBackend;
  return { port: port + at, offset: offset + at, purpose: 'Zero-DB, for S3' };
}

/** What listens there may outlive the grid, and then is found again at the same port. */
const lasting: ReadonlySet<PortName> = new Set(['node-zdb']);

/** Ports of one grid. */
export type Ports = ReadonlyMap<PortName, number>;

/** Where the ports of a grid begin: `usual` for those of a grid without a base, 0 for any free ones. */
export type PortBase = number | 'usual';

/** All services of the one-machine grid listen here, and nowhere else. */
export const loopback = '127.0.0.1';

/** Largest offset: a port base must leave room for it. */
export const maxOffset = Math.max(...portNames.map((name) => portEntry(name).offset));

/**
 * The port of each name: the one that it has to keep, else the usual one without a base, a free one
 * with base 0, which no other grid is given as long as this process lives, base plus offset with any
 * other.
 * @throws GRID_PORT_UNAVAILABLE when one of them is taken or not allowed
 */
export async function choosePorts(
  names: readonly PortName[],
  base: number | undefined,
  kept: Ports = new Map(),
): Promise<Ports> {
  const holding = names.map(async (name) => {
    const { port, offset } = portEntry(name);
    const wanted = kept.get(name) ?? (base === undefined ? port : base + offset);
    if (kept.has(name)) return { name, held: await probeKept(name, wanted) };
    return { name, held: base === 0 ? await reserved() : await probe(wanted) };
  });
  // All are held at the same time, so that no free port is given out twice.
  const all = await Promise.all(holding);
  await Promise.all(all.map(({ held }) => held.release()));
  for (const { held } of all) {
    if (held.error !== undefined) throw unavailable(held.port, held.error);
  }
  return new Map(all.map(({ name, held }) => [name, held.port]));
}

/** The `host:port` that a service of this machine listens on. */
export function addressOf(ports: Ports, name: PortName): string {
  return `${loopback}:${portOf(ports, name)}`;
}

export function portOf(ports: Ports, name: PortName): number {
  const port = ports.get(name);
  if (port === undefined) throw new Error(`no port was chosen for ${name}`);
  return port;
}

async function probeKept(name: PortName, port: number): Promise<Probe> {
  return lasting.has(name) ? { port, release: async () => {} } : probe(port);
}

async function reserved(): Promise<Probe> {
  return { port: await reservePort(), release: async () => {} };
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
  return {
    port,
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
