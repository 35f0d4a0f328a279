import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

import { logLevelFrom } from '@commongrid/base';
import type { LogLevel } from '@commongrid/base';

/** What the outside world says about this run. No other file reads environment variables. */
export interface Environment {
  /** Folder of this grid: `GRID_HOME`, always absolute. */
  readonly home: string;
  /** Level of the log lines that services write: `GRID_LOG`, default `info`. */
  readonly logLevel: LogLevel;
  readonly isRoot: boolean;
  /** Where programs of this user are configured, always absolute. */
  readonly userConfig: string;
  /** Where in a grid this program itself is a workload. */
  readonly workload?: OwnWorkload;
  /** The S3 that `s3://` means, as programs of AWS are told it; undefined where a part is missing. */
  readonly s3?: S3Access;
  /** Where a service manager wants to be told that this service is ready: `NOTIFY_SOCKET`. */
  readonly notifySocket?: string;
}

/** An S3, and a key to it. */
export interface S3Access {
  /** `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`. */
  readonly endpoint: string;
  /** `AWS_REGION`, else `AWS_DEFAULT_REGION`, else us-east-1. */
  readonly region: string;
  /** `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. */
  readonly accessKey: string;
  readonly secretKey: string;
}

/** What a node tells the containers that it runs. */
export interface OwnWorkload {
  /** `COMMONGRID_CONTRACT`. */
  readonly contract: string;
  /** HTTP door of a database, as the node reaches it: `COMMONGRID_DATABASE`. */
  readonly database: string | undefined;
  /** `COMMONGRID_LOG` and `COMMONGRID_SEQUENCER`. */
  readonly log: string | undefined;
  readonly sequencer: string | undefined;
  /** Where others find what it publishes: `COMMONGRID_ADDRESS`. */
  readonly address: string | undefined;
}

export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads the variables once. Empty ones count as absent.
 * @throws BASE_LOG_LEVEL_INVALID
 */
export function readEnvironment(variables: Variables, userId: number): Environment {
  const isRoot = userId === 0;
  return {
    home: resolve(variables['GRID_HOME'] || defaultHome(variables, isRoot)),
    logLevel: logLevelFrom(variables),
    isRoot,
    userConfig: resolve(variables['XDG_CONFIG_HOME'] || join(homedir(), '.config')),
    ...workloadIn(variables),
    ...s3In(variables),
    ...(variables['NOTIFY_SOCKET'] ? { notifySocket: variables['NOTIFY_SOCKET'] } : {}),
  };
}

function s3In(variables: Variables): Pick<Environment, 's3'> {
  const endpoint = variables['AWS_ENDPOINT_URL_S3'] || variables['AWS_ENDPOINT_URL'];
  const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = variables;
  if (!endpoint || !accessKey || !secretKey) return {};
  const region = variables['AWS_REGION'] || variables['AWS_DEFAULT_REGION'] || 'us-east-1';
  return { s3: { endpoint, region, accessKey, secretKey } };
}

function workloadIn(variables: Variables): Pick<Environment, 'workload'> {
  const { COMMONGRID_CONTRACT: contract } = variables;
  if (!contract) return {};
  return {
    workload: {
      contract,
      database: variables['COMMONGRID_DATABASE'] || undefined,
      log: variables['COMMONGRID_LOG'] || undefined,
      sequencer: variables['COMMONGRID_SEQUENCER'] || undefined,
      address: variables['COMMONGRID_ADDRESS'] || undefined,
    },
  };
}

/** False with a non-empty `NO_COLOR` or on a dumb terminal. */
export function allowsColor(variables: Variables): boolean {
  return !variables['NO_COLOR'] && variables['TERM'] !== 'dumb';
}

/** Whether a shell finds this file by its bare name, `program`. */
export function isOnPath(variables: Variables, program: string, file: string): boolean {
  const folders = (variables['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const found = folders.map((folder) => realPathOf(join(folder, program)));
  return found.find((path) => path !== undefined) === (realPathOf(file) ?? file);
}

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    // A folder on PATH may not be there, or be closed.
    return undefined;
  }
}

/** The variables for a program that speaks neither for a running test nor for this service, with `added` on top. */
export function childVariables(added: Variables = {}): NodeJS.ProcessEnv {
  // A test runner inside a test would report to the outer one instead of running, and runc would have
  // its container wait until that says that it is ready.
  const { NODE_TEST_CONTEXT: _outerRunner, NOTIFY_SOCKET: _manager, ...inherited } = process.env;
  return { ...inherited, ...added };
}

function defaultHome(variables: Variables, isRoot: boolean): string {
  if (isRoot) return '/var/lib/grid';
  return join(variables['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'grid');
}
