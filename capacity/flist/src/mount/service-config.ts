import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { GridError, writeFileAtomic } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { MountMode } from './mount-journal.ts';

/** Where the service of a store takes chunks from. */
export type ServiceSource =
  /** A repository on this machine. */
  | { readonly folder: string }
  /** What stands ahead of `/chunks`; whether that is the hub of this machine, which may move. */
  | { readonly url: string; readonly isOwnHub?: boolean }
  | {
      readonly zdb: {
        readonly host: string;
        readonly port: number;
        readonly namespace: string;
        /** Holds the password of the namespace. */
        readonly passwordFile?: string;
      };
    }
  | PluggedSource;

/** A source of a kind that whoever starts the service opens. */
export interface PluggedSource {
  readonly kind: string;
  readonly options: Readonly<Record<string, string>>;
}

/** `service.json` in the folder of a store: how its service is to run. */
export interface ServiceConfig {
  readonly maxBytes: number;
  /** Asked in this order. */
  readonly sources: readonly ServiceSource[];
  /** Default: what the kernel can. */
  readonly mode?: MountMode;
}

/** The service takes it up when it is started, sources also with the order `reload`. */
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
    throw invalid(folder, 'its sources are no list of what can be a source');
  }
  if (mode !== undefined && mode !== 'overlay' && mode !== 'tree') {
    throw invalid(folder, 'mode is neither overlay nor tree');
  }
  return { maxBytes, sources, ...(mode === undefined ? {} : { mode }) };
}

function configPath(folder: string): string {
  return join(folder, 'service.json');
}

function isSource(source: unknown): source is ServiceSource {
  if (!isRecord(source)) return false;
  const { folder, url, isOwnHub = false, zdb, kind, options } = source;
  if (typeof url === 'string') return URL.canParse(url) && typeof isOwnHub === 'boolean';
  if (zdb !== undefined) return isRecord(zdb) && isZdb(zdb);
  if (kind === undefined) return url === undefined && typeof folder === 'string';
  const texts = isRecord(options) ? Object.values(options) : [undefined];
  return typeof kind === 'string' && texts.every((text) => typeof text === 'string');
}

function isZdb({ host, port, namespace, passwordFile = '' }: Record<string, unknown>): boolean {
  const texts = [host, namespace, passwordFile];
  return texts.every((text) => typeof text === 'string') && Number.isSafeInteger(port);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(folder: string, why: string, cause?: unknown): GridError<FlistErrorCode> {
  return new GridError('FLIST_SERVICE_CONFIG_INVALID', `${configPath(folder)}: ${why}`, {
    hint: 'correct the file',
    details: { folder },
    cause,
  });
}
