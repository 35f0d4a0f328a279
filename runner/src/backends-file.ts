import { readFile } from 'node:fs/promises';
import { basename, dirname, relative } from 'node:path';

import { errorCode, GridError, writeFileAtomic } from '@commongrid/base';

import type { GridErrorCode } from './errors.ts';
import type { GridHome } from './home.ts';
import { addressOf, loopback } from './ports.ts';
import type { Ports } from './ports.ts';
import { backendNames } from './storage-layout.ts';
import type { StorageLayout } from './storage-layout.ts';

/** Namespaces of each Zero-DB of a grid: shards, the log of the tables, and keys of buckets. */
export const backendNamespaces = { namespace: 'shards', log: 'log', keys: 'keys' } as const;

/**
 * Writes the backends file of the grid (docs/formats/zstor-backends.md), once: from then on it is
 * its owner's, who may add machines to it.
 */
export async function writeBackendsFile(
  home: GridHome,
  layout: StorageLayout,
  ports: Ports,
): Promise<void> {
  if ((await readEntries(home)) !== undefined) return;
  const folder = dirname(home.backendsFile);
  const entries = backendNames(layout).map((name, at) => ({
    ...{ address: addressOf(ports, name), ...backendNamespaces },
    passwordFile: relative(folder, home.backendsPasswordFile),
    adminPasswordFile: relative(folder, home.zdbPasswordFile),
    ...{ node: name, farm: 'local', country: 'local' },
    ...(at < layout.backends - layout.spares ? {} : { spare: true }),
  }));
  const text = `${JSON.stringify(entries, undefined, 2)}\n`;
  await writeFileAtomic(home.backendsFile, text, { mode: 0o600 });
}

/**
 * The ports that Zero-DBs of the grid had when its storage began. Their addresses are their names
 * there: they keep them, whatever ports the other services get.
 * @throws GRID_FILE_UNREADABLE
 */
export async function keptPorts(home: GridHome, layout: StorageLayout): Promise<Ports> {
  const names = backendNames(layout);
  const ports = new Map<(typeof names)[number], number>();
  for (const { node, address } of (await readEntries(home)) ?? []) {
    const name = names.find((known) => known === node);
    const [, port] = new RegExp(`^${loopback}:(\\d+)$`).exec(String(address)) ?? [];
    if (name !== undefined && port !== undefined) ports.set(name, Number(port));
  }
  return ports;
}

interface Entry {
  readonly node?: unknown;
  readonly address?: unknown;
}

async function readEntries(home: GridHome): Promise<readonly Entry[] | undefined> {
  const file = home.backendsFile;
  try {
    const entries: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (Array.isArray(entries)) return entries as readonly Entry[];
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `${file} is no list in JSON`, {
    hint: `correct ${basename(file)}: docs/formats/zstor-backends.md describes it`,
    details: { file },
  });
}
