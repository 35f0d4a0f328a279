import { join } from 'node:path';

import { GridError, repeat, silentLogger } from '@commongrid/base';
import type { Logger } from '@commongrid/base';
import type { ZdbNamespace } from '@commongrid/model';
import { RespClient } from '@commongrid/resp';

import type { Assignment } from '../assignment.ts';
import type { Driver, DriverContext, Observation, Remains } from '../driver.ts';
import type { NodeErrorCode } from '../errors.ts';
import { openZdbKeys } from './zdb-keys.ts';
import type { ZdbKeys } from './zdb-keys.ts';
import {
  closeNamespace,
  deleteNamespace,
  forgetPassword,
  invalid,
  listNamespaces,
  makeNamespace,
  openNamespace,
  readNamespace,
} from './zdb-namespace.ts';
import type { NamespaceFacts } from './zdb-namespace.ts';
import { ZdbProcess } from './zdb-process.ts';

type DiskKind = ZdbNamespace['disk'];

export interface ZdbDriverOptions {
  /** Folder of the node for passwords, certificate, ports and logs. */
  readonly folder: string;
  /** For each kind of disk that the node has: where the data goes, and at which port it is served. */
  readonly disks: {
    readonly [Kind in DiskKind]?: { readonly dataDir: string; readonly port?: number };
  };
  /** The address of the node. */
  readonly host: string;
  /** Runs a Zero-DB: the arguments of `grid zdb serve` come behind it. */
  readonly command: readonly string[];
  readonly logger?: Logger;
}

/** Where a namespace is, for those who use it. */
export interface ZdbFacts {
  readonly host: string;
  readonly port: number;
  readonly namespace: string;
  /** SHA-256 of the certificate to trust, hex with colons. */
  readonly fingerprint: string;
}

/** A Zero-DB of the machine, for those who have a namespace in it. */
export interface ZdbDoor extends Omit<ZdbFacts, 'namespace'> {
  readonly disk: DiskKind;
}

/** A Zero-DB of the machine as it is now. */
export interface ZdbStatus extends ZdbDoor {
  /** Not while none is needed; one that ended comes back once somebody needs it. */
  readonly isRunning: boolean;
}

/** How soon it is seen that a Zero-DB ended, ms. */
const lookEveryMs = 1_000;
const probeTimeoutMs = 5_000;
const keyPattern = /^[0-9a-f]{12}$/;

/**
 * Namespaces of Zero-DBs as workloads: one Zero-DB for each kind of disk, in a process that outlives
 * the agent. One that is stopped is frozen; one that is released has no password either.
 */
export class ZdbDriver implements Driver, AsyncDisposable {
  readonly #host: string;
  readonly #keys: ZdbKeys;
  readonly #processes: ReadonlyMap<DiskKind, ZdbProcess>;
  readonly #listeners = new Set<(key: string) => void>();
  /** Namespaces that were seen, to tell about when their process ends. */
  readonly #seen = new Map<string, ZdbProcess>();
  readonly #closing = new AbortController();
  readonly #looking: Promise<void>;

  /** Use `open`. */
  constructor(
    host: string,
    keys: ZdbKeys,
    processes: ReadonlyMap<DiskKind, ZdbProcess>,
    logger: Logger,
  ) {
    this.#host = host;
    this.#keys = keys;
    this.#processes = processes;
    this.#looking = repeat(lookEveryMs, () => this.#look(), {
      signal: this.#closing.signal,
      onError: (err) => logger.warn({ err }, 'cannot see whether a Zero-DB lives'),
    });
  }

  /** Starts no Zero-DB yet. */
  static async open(options: ZdbDriverOptions): Promise<ZdbDriver> {
    const { folder, disks, host, command, logger = silentLogger } = options;
    const keys = await openZdbKeys(folder);
    const processes = new Map<DiskKind, ZdbProcess>();
    for (const kind of ['ssd', 'hdd'] as const) {
      const disk = disks[kind];
      if (disk === undefined) continue;
      const process = { ...disk, folder: join(folder, kind), host, command, keys };
      processes.set(kind, await ZdbProcess.open(process));
    }
    return new ZdbDriver(host, keys, processes, logger);
  }

  /** @throws NODE_FEATURE_MISSING, NODE_ZDB_INVALID, NODE_ZDB_REFUSED, NODE_ZDB_SILENT */
  async prepare(assignment: Assignment, { signal }: DriverContext): Promise<void> {
    const { key } = assignment;
    const { mode, sizeBytes, isPublic } = zdbOf(assignment);
    const process = this.#processFor(assignment);
    const former = await this.#find(key, signal);
    if (former !== undefined && former.process !== process) {
      throw invalid(`the data of ${assignment.id} is on the other kind of disk`);
    }
    const password = passwordOf(assignment);
    const client = await process.running(signal);
    await makeNamespace(client, key, { mode, sizeBytes, isPublic, password });
    this.#seen.set(key, process);
  }

  /**
   * Resolves once a client can use it; one that cannot be used is closed again.
   * @throws as `prepare`, and what a client gets
   */
  async start(assignment: Assignment, { signal }: DriverContext): Promise<void> {
    const client = await this.#processFor(assignment).running(signal);
    await openNamespace(client, assignment.key);
    try {
      await this.probe(assignment, signal);
    } catch (error) {
      await closeNamespace(client, assignment.key);
      throw error;
    }
  }

  /** A Zero-DB needs nobody to look after it. */
  async attend(): Promise<void> {}

  async observe(key: string, signal: AbortSignal): Promise<Observation> {
    for (const process of this.#processes.values()) {
      if (!(await process.isUsed())) continue;
      const client = await process.found(signal);
      const facts = client && (await readNamespace(client, key));
      if (facts === undefined) continue;
      this.#seen.set(key, process);
      return observationOf(facts, process.startedMs);
    }
    return { state: 'absent' };
  }

  /** Goes in as a client does. */
  async probe(assignment: Assignment, signal: AbortSignal): Promise<void> {
    const { host, port, namespace, fingerprint } = this.facts(assignment);
    await using client = await RespClient.connect({
      ...{ host, port, connectTimeoutMs: probeTimeoutMs },
      tls: { fingerprint256: fingerprint },
      setup: [['SELECT', namespace, passwordOf(assignment)]],
    });
    await client.command(['DBSIZE'], { signal });
  }

  async stop({ key }: Assignment, { signal }: DriverContext): Promise<void> {
    const found = await this.#find(key, signal);
    if (found !== undefined) await closeNamespace(found.client, key);
  }

  async release(key: string, { signal }: DriverContext): Promise<void> {
    const found = await this.#find(key, signal);
    if (found !== undefined) await forgetPassword(found.client, key);
  }

  async destroy(key: string, { signal }: DriverContext): Promise<void> {
    const found = await this.#find(key, signal);
    if (found !== undefined) await deleteNamespace(found.client, key);
    this.#seen.delete(key);
  }

  async list(signal: AbortSignal): Promise<readonly Remains[]> {
    const all: Remains[] = [];
    for (const process of this.#processes.values()) {
      if (!(await process.isUsed())) continue;
      for (const { name, usedBytes } of await listNamespaces(await process.running(signal))) {
        if (!keyPattern.test(name)) continue;
        this.#seen.set(name, process);
        // Its settings are data, too.
        all.push({ key: name, dataBytes: Math.max(1, usedBytes) });
      }
    }
    return all;
  }

  watch(listener: (key: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Where the namespace of a workload is. @throws NODE_FEATURE_MISSING */
  facts(assignment: Assignment): ZdbFacts {
    const { port } = this.#processFor(assignment);
    const { fingerprint } = this.#keys;
    return { host: this.#host, port, namespace: assignment.key, fingerprint };
  }

  /** Where the Zero-DBs are, also while none is needed yet. */
  doors(): readonly ZdbDoor[] {
    const { fingerprint } = this.#keys;
    return [...this.#processes].map(([disk, { port }]) => {
      return { disk, host: this.#host, port, fingerprint };
    });
  }

  /** The same, each with whether it runs. */
  async status(): Promise<readonly ZdbStatus[]> {
    const processes = [...this.#processes.values()];
    const areRunning = await Promise.all(processes.map((process) => process.isRunning()));
    return this.doors().map((door, at) => ({ ...door, isRunning: areRunning[at] === true }));
  }

  /** Ends the Zero-DBs, when the node is taken down for good. Data stays. */
  async endProcesses(signal: AbortSignal): Promise<void> {
    for (const process of this.#processes.values()) await process.end(signal);
  }

  /** Leaves the Zero-DBs as they are. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#looking;
    await Promise.all([...this.#processes.values()].map((process) => process.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The namespace of a workload, wherever it is. */
  async #find(
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly process: ZdbProcess; readonly client: RespClient } | undefined> {
    for (const process of this.#processes.values()) {
      if (!(await process.isUsed())) continue;
      const client = await process.running(signal);
      if ((await readNamespace(client, key)) !== undefined) return { process, client };
    }
    return undefined;
  }

  #processFor(assignment: Assignment): ZdbProcess {
    const { disk } = zdbOf(assignment);
    const process = this.#processes.get(disk);
    if (process !== undefined) return process;
    throw new GridError<NodeErrorCode>('NODE_FEATURE_MISSING', `this node has no ${disk}`, {
      hint: 'place it on another node',
    });
  }

  async #look(): Promise<void> {
    for (const process of this.#processes.values()) {
      if (!(await process.hasEnded())) continue;
      for (const [key, its] of this.#seen) {
        if (its === process) for (const tell of this.#listeners) tell(key);
      }
    }
  }
}

function observationOf({ hasPassword, isFrozen }: NamespaceFacts, sinceMs: number): Observation {
  if (!hasPassword) return { state: 'absent' };
  return isFrozen ? { state: 'prepared' } : { state: 'running', sinceMs };
}

function zdbOf({ role }: Assignment): ZdbNamespace {
  const { zdb } = role.workload;
  if (zdb === undefined) throw invalid(`the role ${role.name} is no Zero-DB`);
  return zdb;
}

function passwordOf(assignment: Assignment): string {
  const name = zdbOf(assignment).password;
  const password = assignment.secrets.get(name);
  if (password === undefined) throw invalid(`the secret ${name}, its password, is missing`);
  return password;
}
