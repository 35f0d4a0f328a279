import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, open, readFile, rename } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import {
  errorCode,
  FolderLock,
  GridError,
  identityOf,
  isAlive,
  isGridError,
  Mutex,
  terminate,
  waitFor,
  writeFileAtomic,
} from '@commongrid/base';
import type { ProcessIdentity } from '@commongrid/base';
import { RespClient } from '@commongrid/resp';

import type { NodeErrorCode } from '../errors.ts';
import { fieldsIn } from './zdb-fields.ts';
import type { ZdbKeys } from './zdb-keys.ts';

export interface ZdbProcessOptions {
  /** Folder of the node for what belongs to this process: its port and its log. */
  readonly folder: string;
  /** Where the data is. */
  readonly dataDir: string;
  /** The address of the node. */
  readonly host: string;
  /** Default: a free one, which it then keeps. */
  readonly port?: number | undefined;
  /** Program and arguments that come before those of `grid zdb serve`. */
  readonly command: readonly string[];
  readonly keys: ZdbKeys;
}

/** How long a process may take until it answers; then whoever needs it tries again. */
const startTimeoutMs = 30_000;
const connectTimeoutMs = 5_000;
/** It writes what is not on disk yet. */
const endGraceMs = 10_000;

/**
 * One Zero-DB, in a process that outlives the agent. Whether there is one is found out anew each
 * time: it answers at its port with our certificate, or at least holds the lock of its folder.
 */
export class ZdbProcess implements AsyncDisposable {
  readonly port: number;
  readonly #options: ZdbProcessOptions;
  readonly #mutex = new Mutex();
  #client: RespClient | undefined;
  #identity: ProcessIdentity | undefined;
  #startedMs = 0;

  /** Use `open`. */
  constructor(options: ZdbProcessOptions, port: number) {
    this.#options = options;
    this.port = port;
  }

  /** Starts nothing yet. */
  static async open(options: ZdbProcessOptions): Promise<ZdbProcess> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    return new ZdbProcess(options, options.port ?? (await keptPort(options)));
  }

  /** When the process began that was last asked, milliseconds since 1970. */
  get startedMs(): number {
    return this.#startedMs;
  }

  /** Whether it was ever started: there may be data. */
  async isUsed(): Promise<boolean> {
    return access(join(this.#options.dataDir, 'LOCK')).then(
      () => true,
      () => false,
    );
  }

  /** A connection with all rights; starts the process when there is none. @throws NODE_ZDB_SILENT */
  async running(signal: AbortSignal): Promise<RespClient> {
    if (this.#client?.isConnected === true) return this.#client;
    return this.#mutex.run(() => this.#connect().catch(() => this.#start(signal)), { signal });
  }

  /** The same, but starts nothing: undefined when there is no process. @throws NODE_ZDB_SILENT */
  async found(signal: AbortSignal): Promise<RespClient | undefined> {
    if (this.#client?.isConnected === true) return this.#client;
    const look = async (): Promise<RespClient | undefined> => {
      try {
        return await this.#connect();
      } catch (error) {
        if (await this.#isThere()) throw silent(this.#logPath, error);
        return undefined;
      }
    };
    return this.#mutex.run(look, { signal });
  }

  /** Whether the process that was last talked to is there. */
  async isRunning(): Promise<boolean> {
    return this.#identity !== undefined && (await isAlive(this.#identity));
  }

  /** Whether the process that was last talked to is gone; true once. */
  async hasEnded(): Promise<boolean> {
    if (this.#identity === undefined || (await isAlive(this.#identity))) return false;
    this.#identity = undefined;
    return true;
  }

  /** Ends the process. Data stays, and nobody can reach it. */
  async end(signal: AbortSignal): Promise<void> {
    if ((await this.found(signal)) === undefined) return;
    const identity = this.#identity;
    await this.close();
    if (identity !== undefined) await terminate(identity, endGraceMs);
  }

  /** Leaves the process as it is. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #logPath(): string {
    return join(this.#options.folder, 'log');
  }

  async #connect(): Promise<RespClient> {
    if (this.#client?.isConnected === true) return this.#client;
    const { host, keys } = this.#options;
    const client = await RespClient.connect({
      ...{ host, port: this.port, connectTimeoutMs },
      password: keys.adminPassword,
      tls: { fingerprint256: keys.fingerprint },
    });
    try {
      const facts = fieldsIn(await client.command(['INFO', 'server']));
      this.#identity = await identityOf(Number(facts.get('process_id')));
      this.#startedMs = Number(facts.get('boot_time')) * 1_000;
      this.#client = client;
    } catch (error) {
      await client.close();
      throw error;
    }
    return client;
  }

  async #start(signal: AbortSignal): Promise<RespClient> {
    let ended: string | undefined;
    if (!(await this.#isThere())) await this.#spawn((how) => (ended = how));
    let why: unknown;
    const answer = async (): Promise<RespClient | undefined> => {
      // One that an agent began just before its end may have been quicker.
      if (ended !== undefined && !(await this.#isThere())) {
        throw silent(this.#logPath, await this.#lastWords(ended));
      }
      return this.#connect().catch((error: unknown) => {
        why = error;
        return undefined;
      });
    };
    try {
      const limits = { timeoutMs: startTimeoutMs, everyMs: 20, what: 'a Zero-DB', signal };
      return await waitFor(answer, limits);
    } catch (error) {
      throw isGridError(error, 'BASE_TIMEOUT') ? silent(this.#logPath, why ?? error) : error;
    }
  }

  async #spawn(onEnd: (how: string) => void): Promise<void> {
    const { command, dataDir, host, keys } = this.#options;
    const [program = '', ...words] = command;
    const address = host.includes(':') ? `[${host}]:${this.port}` : `${host}:${this.port}`;
    const where = ['--data', dataDir, '--listen', address];
    const files = ['--tls-cert', keys.certFile, '--tls-key', keys.keyFile];
    const args = [...words, ...where, ...files, '--admin-password-file', keys.passwordFile];
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await rename(this.#logPath, `${this.#logPath}.old`).catch(unlessMissing);
    const log = await open(this.#logPath, 'a', 0o600);
    try {
      // A session of its own: what ends the agent does not end it.
      const child = spawn(program, args, { detached: true, stdio: ['ignore', log.fd, log.fd] });
      child.once('exit', (status, by) => onEnd(`it ended with ${status ?? by}`));
      child.once('error', (error) => onEnd(error.message));
      child.unref();
    } finally {
      await log.close();
    }
  }

  /** Whether a process has the folder, though it does not answer. */
  async #isThere(): Promise<boolean> {
    if (!(await this.isUsed())) return false;
    try {
      const lock = await FolderLock.open(this.#options.dataDir);
      await lock.close();
      return false;
    } catch (error) {
      if (isGridError(error, 'BASE_FOLDER_LOCKED')) return true;
      throw error;
    }
  }

  async #lastWords(ended: string): Promise<string> {
    const said = (await readFile(this.#logPath, 'utf8')).trim().slice(-500);
    return said === '' ? ended : `${ended}: ${said}`;
  }
}

/** The port of the first start: workloads tell others about it. */
async function keptPort({ folder, host }: ZdbProcessOptions): Promise<number> {
  const path = join(folder, 'port');
  const kept = await readFile(path, 'utf8').catch(unlessMissing);
  if (kept !== undefined) return Number(kept);
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  await writeFileAtomic(path, String(port));
  return port;
}

function unlessMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}

function silent(logPath: string, why: unknown): GridError<NodeErrorCode> {
  const reason = why instanceof Error ? why.message : String(why);
  return new GridError('NODE_ZDB_SILENT', `a Zero-DB does not answer: ${reason}`, {
    hint: `see ${logPath}`,
    retryable: true,
    ...(why instanceof Error ? { cause: why } : {}),
  });
}
