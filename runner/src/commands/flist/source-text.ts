import { resolve } from 'node:path';

import type { ServiceSource } from '@commongrid/flist';
import { InvalidArgumentError } from 'commander';

/** What stands ahead of `/chunks` at a hub, behind its origin. */
const hubPath = '/v1';

/** The hub of an origin as a source. */
export function hubSource(origin: string): { readonly url: string } {
  return { url: `${origin}${hubPath}` };
}

/** Origin of the hub that a source is; undefined when it is none. */
export function hubOrigin(source: ServiceSource): string | undefined {
  return 'url' in source ? new URL(source.url).origin : undefined;
}

/** How people name a source: as `parseSource` reads it. */
export function sourceText(source: ServiceSource): string {
  if ('folder' in source) return source.folder;
  if ('url' in source)
    return source.url.endsWith(hubPath) ? new URL(source.url).origin : source.url;
  if ('kind' in source) return `${source.kind}:${source.options['data'] ?? ''}`;
  const { host, port, namespace } = source.zdb;
  return `zdb://${host.includes(':') ? `[${host}]` : host}:${port}/${namespace}`;
}

/** What a source needs to be known of besides its name. */
export interface SourceSecrets {
  readonly passwordFile?: string;
  readonly backends?: string;
  readonly keyFile?: string;
}

/**
 * A folder, the origin of a hub, `zdb://HOST:PORT/NAMESPACE`, or `zstor:FOLDER` with the tables of a
 * Zero-Stor. @throws InvalidArgumentError
 */
export function parseSource(text: string, secrets: SourceSecrets = {}): ServiceSource {
  if (text.startsWith('zdb://')) return zdbSource(text, secrets);
  if (text.startsWith('zstor:')) return zstorSource(text.slice('zstor:'.length), secrets);
  if (!/^https?:/.test(text)) return folderSource(text);
  const url = URL.parse(text);
  if (url !== null && url.pathname === '/' && url.search === '') return hubSource(url.origin);
  throw new InvalidArgumentError('give the address of a hub such as http://127.0.0.1:9100');
}

function folderSource(text: string): ServiceSource {
  if (!text.includes('://')) return { folder: resolve(text) };
  throw new InvalidArgumentError(
    'give a folder, http://HUB, zdb://HOST:PORT/NAMESPACE or zstor:FOLDER',
  );
}

function zdbSource(text: string, { passwordFile }: SourceSecrets): ServiceSource {
  const [, host, port, namespace] = /^zdb:\/\/(\[[^\]]+\]|[^:/]+):(\d+)\/([^/]+)$/.exec(text) ?? [];
  if (host === undefined || port === undefined || namespace === undefined) {
    throw new InvalidArgumentError('give zdb://HOST:PORT/NAMESPACE');
  }
  const place = { host: host.replace(/^\[|\]$/g, ''), port: Number(port), namespace };
  const secret = passwordFile === undefined ? {} : { passwordFile: resolve(passwordFile) };
  return { zdb: { ...place, ...secret } };
}

function zstorSource(data: string, { backends, keyFile }: SourceSecrets): ServiceSource {
  if (data === '' || backends === undefined) {
    throw new InvalidArgumentError('give zstor:FOLDER with its tables, and --backends');
  }
  const options = {
    ...{ data: resolve(data), backends: resolve(backends) },
    ...(keyFile === undefined ? {} : { keyFile: resolve(keyFile) }),
  };
  return { kind: 'zstor', options };
}
