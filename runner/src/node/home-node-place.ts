import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';

import { errorCode, isGridError, writeFileAtomic } from '@commongrid/base';

import type { GridHome } from '../home.ts';

/** The service that runs it. */
export const homeNodeService = 'node';

/**
 * Takes the node of a grid that is down off the machine: containers end, nothing stays mounted. Data
 * stay. One that somebody runs by hand is left alone.
 */
export async function leaveHomeNode(home: GridHome): Promise<void> {
  if (!existsSync(home.node)) return;
  const { isInKernel } = await import('@commongrid/node');
  const prefix = prefixOf(home);
  if (!(await isInKernel(prefix))) return;
  const { takeOff } = await import('./open-node.ts');
  try {
    await takeOff({ folder: home.node, prefix, zdbPort: await keptZdbPort(home) });
  } catch (error) {
    if (!isGridError(error, 'BASE_FOLDER_LOCKED')) throw error;
  }
}

/** Nodes of several grids on one machine need names of their own in the kernel. */
export function prefixOf({ path }: GridHome): string {
  if (path === '/var/lib/grid') return 'cg';
  const [first = 0, second = 0] = createHash('sha256').update(path).digest();
  return `g${(first % 36).toString(36)}${(second % 36).toString(36)}`;
}

/** Keeps the port at which workloads are told that their namespaces are. */
export async function keepZdbPort(home: GridHome, port: number): Promise<void> {
  if ((await keptZdbPort(home)) !== undefined) return;
  await mkdir(home.node, { recursive: true, mode: 0o700 });
  await writeFileAtomic(home.nodeZdbPortFile, String(port));
}

/** Undefined before there was a node. */
export async function keptZdbPort(home: GridHome): Promise<number | undefined> {
  try {
    return Number(await readFile(home.nodeZdbPortFile, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
