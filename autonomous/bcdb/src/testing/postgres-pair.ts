import fs from 'node:fs';
import path from 'node:path';
import { reservePort, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import type { TempFolder } from '@commongrid/base/testing';
import { postgresFolder, PostgresServer, runPostgresTool } from './postgres-server.ts';

const stepTimeoutMs = 30_000;

/** The name under which a standby is waited for. */
const standbyName = 'standby';

/** A PostgreSQL primary and a physical standby that each commit waits for, in a temporary folder. */
export class PostgresPair implements AsyncDisposable {
  primary: PostgresServer;
  standby: PostgresServer;
  readonly #temp: TempFolder;
  /** The two servers and those that take their places have these ports. */
  readonly #ports: readonly number[];
  #serverCount = 0;
  #databaseCount = 0;

  constructor(temp: TempFolder, primary: PostgresServer, ports: readonly number[]) {
    this.#temp = temp;
    this.primary = primary;
    this.standby = primary;
    this.#ports = ports;
  }

  static async open(): Promise<PostgresPair> {
    await using opened = new AsyncDisposableStack();
    const temp = opened.use(await tempFolder('postgres'));
    fs.chmodSync(temp.path, 0o755);
    const data = path.join(temp.path, 'server-0');
    await postgresFolder(data);
    const access = ['--username', 'bcdb', '--auth', 'trust'];
    const how = ['--no-sync', '-E', 'UTF8', '--no-locale'];
    await runPostgresTool('initdb', ['-D', data, ...access, ...how]);
    const ports = [await reservePort(), await reservePort()];
    const [port = 0] = ports;
    const pair = new PostgresPair(temp, new PostgresServer({ data, port }), ports);
    opened.defer(() => pair.#stop());
    pair.primary.configure(settings);
    await pair.primary.start();
    await pair.addStandby();
    opened.move();
    return pair;
  }

  /** Connection strings of a database on whichever servers there are and will be. */
  urls(database: string): readonly string[] {
    return this.#ports.map((port) => new PostgresServer({ data: '', port }).url(database));
  }

  /** Makes a new standby of the primary, for which each commit waits from now on. */
  async addStandby(): Promise<void> {
    const data = path.join(this.#temp.path, `server-${++this.#serverCount}`);
    await postgresFolder(data);
    const source = `host=127.0.0.1 port=${this.primary.port} user=bcdb application_name=${standbyName}`;
    const how = ['-R', '-X', 'stream', '--checkpoint=fast', '--no-sync'];
    await runPostgresTool('pg_basebackup', ['-D', data, '-d', source, ...how]);
    const port = this.#ports.find((one) => one !== this.primary.port) ?? 0;
    this.standby = new PostgresServer({ data, port });
    await this.startStandby();
    await this.useStandby();
  }

  /** Has each commit wait for the standby. */
  async useStandby(): Promise<void> {
    this.primary.configure([`synchronous_standby_names = '${standbyName}'`]);
    this.primary.reload();
    await this.#standbyIs("sync_state = 'sync'");
  }

  /** Cuts the standby off: commits wait from now on. */
  async stopStandby(): Promise<void> {
    await this.standby.stop();
  }

  async startStandby(): Promise<void> {
    await this.standby.start();
    // Until its first answer it streams, but is no more than a candidate for those waited for.
    await this.#standbyIs("state = 'streaming' AND sync_state <> 'potential'");
  }

  /** The primary is killed, and the standby takes its place. It has no standby of its own then. */
  async failOver(): Promise<void> {
    await this.primary.stop();
    await runPostgresTool('pg_ctl', ['promote', '-w', '-D', this.standby.data]);
    this.primary = this.standby;
  }

  /** A new empty database; its name. */
  async createDatabase(): Promise<string> {
    const name = `log_${++this.#databaseCount}`;
    await this.primary.query(`CREATE DATABASE ${name}`);
    return name;
  }

  async close(): Promise<void> {
    await using _temp = this.#temp;
    await this.#stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #stop(): Promise<void> {
    await Promise.all([this.primary.stop(), this.standby.stop()]);
  }

  async #standbyIs(state: string): Promise<void> {
    const sql = `SELECT 1 FROM pg_stat_replication WHERE application_name = '${standbyName}' AND ${state}`;
    const isSo = async (): Promise<boolean> => (await this.primary.query(sql)).length > 0;
    const what = `the standby to have ${state}`;
    await waitFor(isSo, { timeoutMs: stepTimeoutMs, everyMs: 30, what });
  }
}

const settings = [
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  'wal_level = replica',
  'hot_standby = on',
  'max_connections = 40',
  "shared_buffers = '16MB'",
  "wal_receiver_timeout = '5s'",
  "wal_retrieve_retry_interval = '100ms'",
  'autovacuum = off',
];
