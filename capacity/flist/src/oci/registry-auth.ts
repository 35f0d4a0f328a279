import { asObject } from './manifest.ts';

export interface RegistryCredentials {
  readonly user: string;
  readonly password: string;
}

/** How a registry wants to be asked. */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string | undefined };

/** Characters of a `WWW-Authenticate` header that are read. */
const challengeLengthMax = 8_192;

/** Characters of a token. */
const tokenLengthMax = 65_536;

/**
 * Reads a `WWW-Authenticate` header: Bearer as docker's registries use it, or Basic. Undefined for
 * others.
 */
export function parseChallenge(header: string | null): Challenge | undefined {
  if (header === null || header.length > challengeLengthMax) return undefined;
  const bearer = /(?:^|,\s*)bearer\s+(.*)$/i.exec(header)?.[1];
  if (bearer !== undefined) {
    const parameters = new Map<string, string>();
    for (const [, key = '', quoted, plain] of bearer.matchAll(parameterPattern)) {
      const name = key.toLowerCase();
      if (!parameters.has(name)) parameters.set(name, quoted ?? plain ?? '');
    }
    const realm = parameters.get('realm');
    if (realm !== undefined) {
      return { scheme: 'bearer', realm, service: parameters.get('service') };
    }
  }
  return /(?:^|,\s*)basic(?:\s|$)/i.test(header) ? { scheme: 'basic' } : undefined;
}

const parameterPattern = /([a-z_]+)=(?:"([^"]*)"|([^",\s]*))/gi;

export function basicHeader({ user, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** Where the token for a scope is asked for. */
export function tokenUrl(
  realm: string,
  service: string | undefined,
  scope: string,
): URL | undefined {
  if (!URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  return url;
}

/** The token in the answer of a realm; undefined when there is none that fits into a header. */
export function tokenOf(json: unknown): string | undefined {
  const answer = asObject(json);
  const token = answer?.['token'] ?? answer?.['access_token'];
  const isToken =
    typeof token === 'string' && token.length <= tokenLengthMax && /^[\x21-\x7e]+$/.test(token);
  return isToken ? token : undefined;
}
