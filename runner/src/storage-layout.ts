import { readFile } from 'node:fs/promises';

import { errorCode, GridError, writeFileAtomic } from '@commongrid/base';

import type { GridErrorCode } from './errors.ts';
import type { GridHome } from './home.ts';

/** How the S3 of a one-machine grid is laid out, over how many Zero-DBs. */
export interface StorageLayout {
  readonly shards: LayoutName;
  /** Zero-DBs, each in a process of its own, that play nodes. */
  readonly backends: number;
  /** So many of them, the last ones, are taken into use only when others fail. */
  readonly spares: number;
}

/** What can be chosen: data and parity shards, or to have no S3. */
export const layoutNames = ['4+2', '16+4', 'none'] as const;
export type LayoutName = (typeof layoutNames)[number];
export const usualLayout: LayoutName = '4+2';

const layouts: Readonly<Record<LayoutName, StorageLayout>> = {
  '4+2': { shards: '4+2', backends: 6, spares: 0 },
  '16+4': { shards: '16+4', backends: 24, spares: 4 },
  none: { shards: 'none', backends: 0, spares: 0 },
};

/**
 * The layout of a grid, chosen at its first start for good: its objects are spread over these.
 * @throws GRID_SHARDS_DIFFER, GRID_FILE_UNREADABLE
 */
export async function keepLayout(
  home: GridHome,
  wanted: LayoutName | undefined,
): Promise<StorageLayout> {
  const kept = await readLayout(home);
  if (kept === undefined) {
    const chosen = layouts[wanted ?? usualLayout];
    const text = JSON.stringify({ schema: 'grid.layout.1', shards: chosen.shards });
    await writeFileAtomic(home.layoutFile, `${text}\n`);
    return chosen;
  }
  if (wanted === undefined || wanted === kept.shards) return kept;
  throw new GridError<GridErrorCode>(
    'GRID_SHARDS_DIFFER',
    `the shards of the grid in ${home.path} are ${kept.shards}, not ${wanted}`,
    {
      hint: 'leave --shards out, or choose another GRID_HOME for a second one',
      details: { home: home.path, shards: kept.shards },
    },
  );
}

/** The layout of a grid that was started before; else the usual one. @throws GRID_FILE_UNREADABLE */
export async function layoutOf(home: GridHome): Promise<StorageLayout> {
  return (await readLayout(home)) ?? layouts[usualLayout];
}

/** The names of its Zero-DBs, as services, from 1 on. */
export function backendNames({ backends }: StorageLayout): `zdb-${number}`[] {
  return Array.from({ length: backends }, (_, at) => `zdb-${at + 1}` as const);
}

async function readLayout(home: GridHome): Promise<StorageLayout | undefined> {
  let text: string;
  try {
    text = await readFile(home.layoutFile, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw unreadable(home, error);
  }
  const layout = layouts[shardsIn(text) as LayoutName];
  if (layout === undefined) throw unreadable(home, undefined);
  return layout;
}

function shardsIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { shards?: unknown }).shards;
  } catch {
    return undefined;
  }
}

function unreadable(home: GridHome, cause: unknown): GridError<GridErrorCode> {
  return new GridError('GRID_FILE_UNREADABLE', `cannot read ${home.layoutFile}`, {
    hint: `write {"shards": "${usualLayout}"} into it, or what was chosen with --shards`,
    details: { file: home.layoutFile },
    cause,
  });
}
