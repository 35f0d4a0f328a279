import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { errorCode, waitFor } from '@commongrid/base';
import { Client } from 'pg';

/** How long a server may take to start, or to do what it was asked, milliseconds. */
const readyTimeoutMs = 30_000;

export interface PostgresServerOptions {
  /** An existing folder that holds a cluster. */
  readonly data: string;
  readonly port: number;
}

/**
 * One PostgreSQL server on 127.0.0.1, started from the programs of the system. Whoever runs this as
 * root starts it as the user postgres, since it refuses to run as root.
 */
export class PostgresServer {
  readonly data: string;
  readonly port: number;
  #child: ChildProcess | undefined;

  constructor({ data, port }: PostgresServerOptions) {
    this.data = data;
    this.port = port;
  }

  /** Connection string of a database. */
  url(database = 'postgres'): string {
    return `postgresql://bcdb@127.0.0.1:${this.port}/${database}`;
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    const user = await serverUser();
    // The kernel ends it with this process: a test that is killed leaves no server behind.
    const args = ['--pdeathsig', 'KILL', '--', program('postgres')];
    args.push('-D', this.data, '-p', String(this.port));
    const child = spawn('setpriv', args, { stdio: 'ignore', ...user });
    this.#child = child;
    const timing = { timeoutMs: readyTimeoutMs, everyMs: 50 };
    await waitFor(() => this.#answers(child), { ...timing, what: 'postgres to answer' });
  }

  async #answers(child: ChildProcess): Promise<boolean> {
    if (child.exitCode !== null) throw new Error(`postgres ended with ${child.exitCode}`);
    return this.query('SELECT 1').then(
      () => true,
      () => false,
    );
  }

  /** Ends it: at once as a crash does, or in order. Waits until it is gone. */
  async stop(how: 'SIGKILL' | 'SIGINT' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    // Those that are paused would stay.
    const children = how === 'SIGKILL' ? childrenOf(child.pid) : [];
    child.kill(how);
    for (const pid of children) kill(pid);
    await gone;
    // A server does not start while one of the former has its memory.
    const isOver = (): boolean => !children.some(isRunning);
    await waitFor(isOver, { timeoutMs: readyTimeoutMs, everyMs: 5, what: 'postgres to end' });
  }

  /** Stops all its processes where they are, until it is ended. */
  pause(): void {
    const pid = this.#child?.pid;
    for (const one of childrenOf(pid)) process.kill(one, 'SIGSTOP');
    if (pid !== undefined) process.kill(pid, 'SIGSTOP');
  }

  /** Reads its settings again. */
  reload(): void {
    this.#child?.kill('SIGHUP');
  }

  /** Adds lines to the settings; the last one of a name counts. */
  configure(lines: readonly string[]): void {
    fs.appendFileSync(path.join(this.data, 'postgresql.auto.conf'), `${lines.join('\n')}\n`);
  }

  async query(sql: string, database = 'postgres'): Promise<readonly Record<string, unknown>[]> {
    const client = new Client({
      connectionString: this.url(database),
      connectionTimeoutMillis: readyTimeoutMs,
    });
    // A server that is killed takes its connections with it: the query fails, and tells.
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<Record<string, unknown>>(sql);
      return rows;
    } finally {
      await client.end();
    }
  }
}

/** Runs a program of PostgreSQL to its end. */
export async function runPostgresTool(name: string, args: readonly string[]): Promise<void> {
  const user = await serverUser();
  const child = spawn(program(name), args, { stdio: ['ignore', 'ignore', 'pipe'], ...user });
  const [stderr, [status]] = await Promise.all([
    child.stderr === null ? '' : text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  if (status !== 0) throw new Error(`${name} failed: ${stderr}`);
}

function childrenOf(pid: number | undefined): readonly number[] {
  if (pid === undefined) return [];
  const file = `/proc/${pid}/task/${pid}/children`;
  return fs.readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number);
}

/** Ends a process, if it is still there. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

/** Whether a process has memory: one that was killed keeps it for a while, and its number longer. */
function isRunning(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ESRCH') throw error;
    return false;
  }
}

/** An empty folder that the server may own. */
export async function postgresFolder(folder: string): Promise<void> {
  fs.mkdirSync(folder, { mode: 0o700 });
  const user = await serverUser();
  if (user.uid !== undefined && user.gid !== undefined) fs.chownSync(folder, user.uid, user.gid);
}

/** Debian keeps the programs out of the path, a folder for each version. */
function program(name: string): string {
  const root = '/usr/lib/postgresql';
  const versions = fs.existsSync(root) ? fs.readdirSync(root) : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a)).at(0);
  return newest === undefined ? name : path.join(root, newest, 'bin', name);
}

interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
}

async function serverUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return {};
  const ids = await Promise.all(
    ['-u', '-g'].map(async (flag) => {
      const child = spawn('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] });
      return Number(await text(child.stdout));
    }),
  );
  const [uid = 0, gid = 0] = ids;
  if (uid === 0 || gid === 0) throw new Error('there is no user postgres: install postgresql');
  return { uid, gid };
}
