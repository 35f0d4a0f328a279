import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { GridError, writeFileAtomic } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { MountMode } from './mount-journal.ts';

/** `service.json` in the folder of a store: how its service is to run. */
export interface ServiceConfig {
  readonly maxBytes: number;
  /** Asked in this order. */
  readonly sources: readonly ({ readonly folder: string } | { readonly url: string })[];
  /** Default: what the kernel can. */
  readonly mode?: MountMode;
}

/** The service takes it up when it is started. */
export async function writeServiceConfig(folder: string, config: ServiceConfig): Promise<void> {
  const text = `${JSON.stringify(config, undefined, 2)}\n`;
  await writeFileAtomic(configPath(folder), text, { mode: 0o600 });
}

/** @throws FLIST_SERVICE_CONFIG_INVALID */
export async function readServiceConfig(folder: string): Promise<ServiceConfig> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(configPath(folder), 'utf8'));
  } catch (error) {
    throw invalid(folder, String(error), error);
  }
  const { maxBytes, sources, mode } = value as Partial<ServiceConfig>;
  if (!Number.isSafeInteger(maxBytes) || maxBytes === undefined) {
    throw invalid(folder, 'maxBytes is no count');
  }
  if (!Array.isArray(sources) || !sources.every(isSource)) {
    throw invalid(folder, 'sources are no list of folders and URLs');
  }
  if (mode !== undefined && mode !== 'overlay' && mode !== 'tree') {
    throw invalid(folder, 'mode is neither overlay nor tree');
  }
  return { maxBytes, sources, ...(mode === undefined ? {} : { mode }) };
}

function configPath(folder: string): string {
  return join(folder, 'service.json');
}

function isSource(source: unknown): source is ServiceConfig['sources'][number] {
  if (typeof source !== 'object' || source === null) return false;
  if ('url' in source) return typeof source.url === 'string';
  return 'folder' in source && typeof source.folder === 'string';
}

function invalid(folder: string, why: string, cause?: unknown): GridError<FlistErrorCode> {
  return new GridError('FLIST_SERVICE_CONFIG_INVALID', `${configPath(folder)}: ${why}`, {
    hint: 'correct the file',
    details: { folder },
    cause,
  });
}
