import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorCode, GridError } from '@commongrid/base';
import type { ZstorErrorCode } from '../errors.ts';
import type { BackendPlace } from './backend.ts';

/** Most backends of a file: their numbers have 16 bits, and a cell has some hundreds. */
const backendsMax = 4096;
/** Backends whose place one entry says that it took. */
const replacedMax = 64;

/** An entry of the backends file, with its password read. */
export interface BackendSpec extends BackendPlace {
  readonly host: string;
  readonly port: number;
  readonly namespace: string;
  /** A namespace of the same server that may keep a member of the catalogue's log. */
  readonly log?: string | undefined;
  /** A namespace of the same server that may hold the keys of buckets. */
  readonly keys?: string | undefined;
  /** Of all these namespaces. */
  readonly password: string | undefined;
  /** Of the server; where it has one, keys are erased with it. */
  readonly adminPassword?: string | undefined;
  /** SHA-256 of the server's certificate; without it the connection is plain. */
  readonly tlsFingerprint: string | undefined;
  readonly isSpare: boolean;
  /** False: the server keeps no shards, and `namespace` is one of those for log and keys. */
  readonly hasShards?: false;
  /** Names of backends whose place it took: they do not come back, and nobody waits for them. */
  readonly replaces?: readonly string[];
}

/** What names a backend, whatever else changes: `host:port/namespace`. */
export function nameOfBackend({ host, port, namespace }: BackendSpec): string {
  return `${host}:${port}/${namespace}`;
}

/**
 * Reads docs/formats/zstor-backends.md, and the passwords that it names, relative to its folder.
 * @throws ZSTOR_BACKENDS_INVALID, which names the entry and the field
 */
export async function readBackendsFile(path: string): Promise<BackendSpec[]> {
  const entries = parseEntries(await readText(path, 'the backends file'), path);
  const folder = dirname(resolve(path));
  const specs = await Promise.all(
    entries.map(async ({ passwordFile, adminPasswordFile, ...spec }, at) => {
      const read = async (field: string, file: string | undefined): Promise<string | undefined> => {
        if (file === undefined) return undefined;
        const what = `${field} of entry ${at + 1}`;
        const password = (await readText(resolve(folder, file), what)).trim();
        if (password === '') throw invalid(`${what} is empty`, { file });
        return password;
      };
      const password = await read('passwordFile', passwordFile);
      return {
        ...spec,
        password,
        adminPassword: await read('adminPasswordFile', adminPasswordFile),
      };
    }),
  );
  const names = new Set<string>();
  const allNames = specs.flatMap(({ log, keys, ...spec }) => {
    const shards = spec.hasShards === false ? undefined : spec.namespace;
    const namespaces = [shards, log, keys].filter((name) => name !== undefined);
    return namespaces.map((namespace) => nameOfBackend({ ...spec, namespace }));
  });
  for (const name of allNames) {
    if (names.has(name)) throw invalid(`${path} names ${name} twice`, { name });
    names.add(name);
  }
  return specs;
}

interface Entry extends Omit<BackendSpec, 'password' | 'adminPassword'> {
  readonly passwordFile: string | undefined;
  readonly adminPasswordFile: string | undefined;
}

function parseEntries(text: string, path: string): Entry[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${path} is no JSON`, { path }, cause);
  }
  if (!Array.isArray(json)) throw invalid(`${path} is no JSON list`, { path });
  if (json.length > backendsMax) {
    throw invalid(`${path} has ${json.length} entries, ${backendsMax} are allowed`, {
      backendsMax,
    });
  }
  return json.map((entry: unknown, at) => parseEntry(entry, `entry ${at + 1} of ${path}`));
}

const fields = new Set([
  ...['address', 'namespace', 'log', 'keys', 'passwordFile', 'adminPasswordFile'],
  ...['tlsFingerprint', 'node', 'farm', 'country', 'spare', 'replaces'],
]);

function parseEntry(entry: unknown, where: string): Entry {
  if (typeof entry !== 'object' || entry === null) throw invalid(`${where} is no object`, {});
  const values = new Map<string, unknown>(Object.entries(entry));
  const unknown = [...values.keys()].find((field) => !fields.has(field));
  if (unknown !== undefined) throw invalid(`${where} has an unknown field ${unknown}`, { unknown });
  const optional = (field: string): string | undefined => {
    const value = values.get(field);
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    throw invalid(`${where}: ${field} is no text`, { field });
  };
  const text = (field: string): string => {
    const value = optional(field);
    if (value !== undefined) return value;
    throw invalid(`${where}: ${field} is missing`, { field });
  };
  const spare = values.get('spare') ?? false;
  if (typeof spare !== 'boolean') throw invalid(`${where}: spare is not true or false`, {});
  const [namespace, log, keys] = ['namespace', 'log', 'keys'].map(optional);
  return {
    ...parseAddress(text('address'), where),
    // One that keeps the log or keys alone is called by these.
    namespace: namespace ?? log ?? keys ?? text('namespace'),
    log,
    keys,
    passwordFile: optional('passwordFile'),
    adminPasswordFile: optional('adminPasswordFile'),
    tlsFingerprint: parseFingerprint(optional('tlsFingerprint'), where),
    node: text('node'),
    farm: text('farm'),
    country: text('country'),
    isSpare: spare,
    ...(namespace === undefined ? { hasShards: false } : {}),
    ...parseReplaces(values.get('replaces'), where),
  };
}

function parseReplaces(value: unknown, where: string): Pick<BackendSpec, 'replaces'> {
  if (value === undefined) return {};
  const isName = (name: unknown): name is string => {
    return typeof name === 'string' && /^.+:\d{1,5}\/.+$/.test(name);
  };
  if (Array.isArray(value) && value.length <= replacedMax && value.every(isName)) {
    return { replaces: value };
  }
  throw invalid(`${where}: replaces is no list of HOST:PORT/NAMESPACE`, { field: 'replaces' });
}

/** `host:port` or `[IPv6]:port`. */
function parseAddress(address: string, where: string): { host: string; port: number } {
  const [, bracketed, plain, digits = ''] =
    /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port };
  throw invalid(`${where}: address ${address} is not HOST:PORT`, { address });
}

function parseFingerprint(text: string | undefined, where: string): string | undefined {
  if (text === undefined || /^[0-9a-f]{64}$/i.test(text.replaceAll(':', ''))) return text;
  throw invalid(`${where}: tlsFingerprint is no SHA-256 in hex`, {});
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw invalid(`${what} ${path} cannot be read: ${errorCode(cause) ?? ''}`, { path }, cause);
  }
}

function invalid(
  message: string,
  details: Readonly<Record<string, unknown>>,
  cause?: unknown,
): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_BACKENDS_INVALID', message, {
    hint: 'correct the file; docs/formats/zstor-backends.md describes it',
    details,
    cause,
  });
}
