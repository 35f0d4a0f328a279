import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { waitFor } from '@commongrid/base';

import { ip } from '../machines/ip.ts';
import { killMachine, processesOf } from '../machines/machine-processes.ts';
import { relayTo } from '../machines/relay-to.ts';
import { root, run, tempFolder } from './grid-process.ts';
import type { TestGrid } from './grid-process.ts';

interface Up {
  readonly services: Record<string, { readonly address: string }>;
}

const deadline = { timeoutMs: 120_000, everyMs: 200 };

export interface OutpostOptions {
  /** What its node gives to others of the disk. Default 256MiB. */
  readonly volumeSize?: string;
}

/**
 * A second machine of a grid: a network namespace with a cable to this one, an address of its own, and a
 * node that joined by an invitation. Its agent reaches the database and the hub by the cable alone.
 */
export class Outpost implements AsyncDisposable {
  /** As commands call the node. */
  readonly name: string;
  /** Where others reach it. */
  readonly address: string;
  /** Begins the names of what the node has in the kernel. */
  readonly prefix: string;
  /** Folder of the node. */
  readonly folder: string;
  readonly #grid: TestGrid;
  readonly #link: string;
  readonly #start: readonly string[];
  readonly #stack: AsyncDisposableStack;
  #agent: ChildProcess | undefined;

  private constructor(
    grid: TestGrid,
    { tag, address, folder, start }: Settled,
    stack: AsyncDisposableStack,
  ) {
    this.#grid = grid;
    this.address = address;
    this.name = `outpost-${tag}`;
    this.prefix = `o${tag}`;
    this.folder = folder;
    this.#link = linkOf(tag);
    this.#start = start;
    this.#stack = stack;
  }

  /** Joined and adopted. @param up what `grid up` printed */
  static async open(
    grid: TestGrid,
    { services }: Up,
    { volumeSize = '256MiB' }: OutpostOptions = {},
  ): Promise<Outpost> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await tempFolder());
    const { tag, here, there } = layCable(stack);
    const relays = ['bcdb', 'hub'].map(async (name) => {
      const [, port = ''] = (services[name]?.address ?? '').split(':');
      return `http://${here}:${await relayTo(Number(port), here, stack)}`;
    });
    const [url = '', hub = ''] = await Promise.all(relays);
    const { token } = await grid.json<{ readonly token: string }>(
      ...['node', 'invite', '--url', url, '--hub', hub],
    );
    const tokenFile = join(path, 'token');
    await writeFile(tokenFile, token);
    const folder = join(path, 'node');
    const name = ['--name', `outpost-${tag}`];
    const room = ['--volume-size', volumeSize];
    const start = [...room, '--token-file', tokenFile, ...name, '--address', there];
    const outpost = new Outpost(grid, { tag, address: there, folder, start }, stack.move());
    try {
      outpost.start();
      await outpost.#adopted();
      await outpost.#inService();
    } catch (error) {
      await outpost[Symbol.asyncDispose]();
      throw error;
    }
    return outpost;
  }

  /** Starts the agent; what it ran runs on when it ended alone. */
  start(): void {
    const { NODE_TEST_CONTEXT: _runner, ...inherited } = process.env;
    const words = ['node', 'start', '--data', this.folder, '--prefix', this.prefix];
    this.#agent = spawn(
      'nsenter',
      [`--net=/run/netns/${this.#link}`, join(root, 'grid'), ...words, ...this.#start],
      {
        env: { ...inherited, GRID_HOME: this.#grid.home, GRID_LOG: 'error' },
        stdio: 'ignore',
      },
    );
  }

  /** Takes its link down: neither the database nor a probe reaches it. */
  cut(): void {
    ip('link', 'set', this.#link, 'down');
  }

  mend(): void {
    ip('link', 'set', this.#link, 'up');
  }

  /** Ends every process of the machine at once: agent, containers, and what watches these. */
  async kill(): Promise<void> {
    await killMachine(this);
  }

  /** Numbers of the processes of all containers of the node. */
  async containers(): Promise<readonly string[]> {
    return processesOf(this.prefix);
  }

  async #adopted(): Promise<void> {
    const look = async (): Promise<boolean> => {
      const { adopted } = await this.#grid.json<{ readonly adopted: readonly string[] }>(
        ...['node', 'adopt', '--pending'],
      );
      return adopted.length > 0;
    };
    await waitFor(look, { ...deadline, what: `${this.name} to come` });
  }

  async #inService(): Promise<void> {
    const look = async (): Promise<boolean> => {
      const words = ['node', 'status', '--data', this.folder, '--json'];
      const { status, stdout } = await this.#grid.run(...words);
      return status === 0 && (JSON.parse(stdout) as { standing: string }).standing === 'inService';
    };
    await waitFor(look, { ...deadline, what: `${this.name} to be in service` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _stack = this.#stack;
    const agent = this.#agent;
    if (agent !== undefined && agent.exitCode === null && agent.signalCode === null) {
      const over = once(agent, 'exit');
      agent.kill('SIGTERM');
      await over;
    }
    const open = new URL('../../runner/src/node/open-node.ts', import.meta.url);
    const place = JSON.stringify({ folder: this.folder, prefix: this.prefix });
    const leave = `const { takeOff } = await import('${open.href}'); await takeOff(${place});`;
    const words = [`--net=/run/netns/${this.#link}`, process.execPath, '--eval', leave];
    const { status, stderr } = await run('nsenter', words);
    if (status !== 0) throw new Error(`the outpost stays on this machine: ${stderr}`);
  }
}

interface Settled {
  readonly tag: string;
  readonly address: string;
  readonly folder: string;
  /** Further words of the command that starts it. */
  readonly start: readonly string[];
}

/** Name of the namespace, and of this end of its cable. */
function linkOf(tag: string): string {
  return `og${tag}`;
}

interface Cable {
  /** Of the machine; no other one has it now. */
  readonly tag: string;
  /** Addresses of its two ends, of a private range that is drawn. */
  readonly here: string;
  readonly there: string;
}

function layCable(stack: AsyncDisposableStack): Cable {
  const tag = makeNamespace();
  const link = linkOf(tag);
  stack.defer(() => ip('netns', 'delete', link));
  // A range of RFC 2544, for benchmarks: no network is numbered like that.
  const base = `198.18.${Number.parseInt(tag, 16)}`;
  const [here, there] = [`${base}.1`, `${base}.2`];
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'cable', 'netns', link);
  ip('address', 'add', `${here}/30`, 'dev', link);
  ip('link', 'set', link, 'up');
  // Without the cable nobody else is to answer in its place, as what a default route leads to might.
  const instead = ['unreachable', `${base}.0/30`, 'metric', '9999'];
  ip('route', 'add', ...instead);
  stack.defer(() => ip('route', 'delete', ...instead));
  ip('-n', link, 'address', 'add', `${there}/30`, 'dev', 'cable');
  for (const device of ['lo', 'cable']) ip('-n', link, 'link', 'set', device, 'up');
  ip('-n', link, 'route', 'add', 'default', 'via', here);
  return { tag, here, there };
}

/** A network namespace for a machine. @returns the tag that names it */
function makeNamespace(): string {
  for (let tries = 1; ; tries++) {
    // The upper half of the range is for what people lay by hand, as the README does.
    const tag = randomInt(0, 128).toString(16).padStart(2, '0');
    try {
      ip('netns', 'add', linkOf(tag));
      return tag;
    } catch (error) {
      if (tries === 20 || !String(error).includes('File exists')) throw error;
    }
  }
}
