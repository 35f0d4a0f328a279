import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { FlistErrorCode } from '../errors.ts';
import type { Flist } from './flist.ts';

/**
 * How an image is to be run, from its config as OCI's image specification has it. What the config
 * does not say is undefined, or empty where it is a list.
 */
export interface ImageConfig {
  readonly architecture: string | undefined;
  readonly os: string | undefined;
  readonly variant: string | undefined;
  /** When it was made, as RFC 3339 writes it. */
  readonly created: string | undefined;
  readonly author: string | undefined;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `NAME=value` each. */
  readonly env: readonly string[];
  /** `user`, `uid`, `user:group`, `uid:gid` or a mixture. */
  readonly user: string | undefined;
  readonly workingDir: string | undefined;
  /** `SIGTERM`, `SIGRTMIN+3` or a number. */
  readonly stopSignal: string | undefined;
  readonly exposedPorts: readonly ExposedPort[];
  /** Paths in the container. */
  readonly volumes: readonly string[];
  readonly healthcheck: Healthcheck | undefined;
  readonly labels: ReadonlyMap<string, string>;
}

export interface ExposedPort {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

/** Docker's, which OCI does not have but registries are full of. What it leaves out is undefined. */
export interface Healthcheck {
  /** `NONE`, or `CMD` and arguments, or `CMD-SHELL` and a line. */
  readonly test: readonly string[];
  readonly intervalNs: number | undefined;
  readonly timeoutNs: number | undefined;
  readonly startPeriodNs: number | undefined;
  readonly startIntervalNs: number | undefined;
  readonly retries: number | undefined;
}

/**
 * Reads the config of an image; one without a config has an empty one. Fields that are not known
 * here are left alone; null is as good as absent, as the writers of configs take it.
 * @throws FLIST_CONFIG_INVALID which names the field
 */
export function imageConfigOf({ config: json }: Pick<Flist, 'config'>): ImageConfig {
  const image = new Fields(json ?? {}, '');
  const config = image.fields('config');
  return {
    architecture: image.text('architecture'),
    os: image.text('os'),
    variant: image.text('variant'),
    created: image.text('created'),
    author: image.text('author'),
    entrypoint: config.texts('Entrypoint'),
    cmd: config.texts('Cmd'),
    env: envOf(config),
    user: config.text('User'),
    workingDir: config.text('WorkingDir'),
    stopSignal: config.text('StopSignal'),
    exposedPorts: config.keys('ExposedPorts').map((key) => portOf(key, config)),
    volumes: config.keys('Volumes'),
    healthcheck: healthcheckOf(config),
    labels: config.textMap('Labels'),
  };
}

function envOf(config: Fields): readonly string[] {
  const env = config.texts('Env');
  const odd = env.findIndex((entry) => entry.indexOf('=') < 1);
  if (odd >= 0) throw config.invalid(`Env.${odd}`, 'is not NAME=value');
  return env;
}

function portOf(key: string, config: Fields): ExposedPort {
  const [, digits = '', protocol = 'tcp'] = /^([1-9]\d{0,4})(?:\/(tcp|udp|sctp))?$/.exec(key) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65_535) {
    throw config.invalid(`ExposedPorts.${key}`, 'is no port such as 80/tcp');
  }
  return { port, protocol: protocol as ExposedPort['protocol'] };
}

function healthcheckOf(config: Fields): Healthcheck | undefined {
  if (!config.has('Healthcheck')) return undefined;
  const check = config.fields('Healthcheck');
  return {
    test: check.texts('Test'),
    intervalNs: check.count('Interval'),
    timeoutNs: check.count('Timeout'),
    startPeriodNs: check.count('StartPeriod'),
    startIntervalNs: check.count('StartInterval'),
    retries: check.count('Retries'),
  };
}

/** An object of a config whose members are read by the type that they must have. */
class Fields {
  readonly #members: ReadonlyMap<string, JsonValue>;
  readonly #place: string;

  constructor(json: JsonValue, place: string) {
    this.#place = place;
    if (!isObject(json)) throw this.invalid('', 'is no object');
    this.#members = new Map(Object.entries(json).filter(([, value]) => value !== null));
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  text(name: string): string | undefined {
    const value = this.#members.get(name);
    if (value !== undefined && !isText(value)) throw this.invalid(name, 'is no text');
    // Go writes empty texts for what is not set.
    return value === '' ? undefined : value;
  }

  texts(name: string): readonly string[] {
    const value = this.#members.get(name) ?? [];
    if (!Array.isArray(value)) throw this.invalid(name, 'is no list');
    const odd = value.findIndex((item) => !isText(item));
    if (odd >= 0) throw this.invalid(`${name}.${odd}`, 'is no text');
    return value as string[];
  }

  /** Of an object that is used as a set. */
  keys(name: string): string[] {
    const members = this.fields(name).#members;
    const odd = [...members].find(([key, value]) => !isText(key) || !isObject(value));
    if (odd !== undefined) throw this.invalid(`${name}.${odd[0]}`, 'is no empty object');
    return [...members.keys()];
  }

  textMap(name: string): ReadonlyMap<string, string> {
    const members = [...this.fields(name).#members];
    const odd = members.find(([key, value]) => !isText(key) || !isText(value));
    if (odd !== undefined) throw this.invalid(`${name}.${odd[0]}`, 'is no text');
    return new Map(members as [string, string][]);
  }

  count(name: string): number | undefined {
    const value = this.#members.get(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.invalid(name, 'is no whole number from 0 on');
  }

  fields(name: string): Fields {
    return new Fields(this.#members.get(name) ?? {}, this.#pathTo(name));
  }

  invalid(name: string, what: string): GridError<FlistErrorCode> {
    const field = this.#pathTo(name) || 'config';
    return new GridError('FLIST_CONFIG_INVALID', `${field} of the config of the image ${what}`, {
      hint: 'correct the config and make the image again',
      details: { field },
    });
  }

  #pathTo(name: string): string {
    return [this.#place, name].filter((part) => part !== '').join('.');
  }
}

/** Arguments and environment of a process end at a zero, so none may be in them. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

function isObject(value: JsonValue): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
