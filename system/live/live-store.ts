import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { askControl, isGridError } from '@commongrid/base';
import type { ContractDefinition } from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';
import { controlPathOf } from '@commongrid/zstor';
import type { CareStatus } from '@commongrid/zstor';
import { cpuSecondsOf } from '../bench/index.ts';
import type { LiveContracts } from './live-contract.ts';
import type { LiveGrid } from './live-grid.ts';

/** What a bot says of a contract with a store. */
interface Standing {
  readonly silent: readonly unknown[];
  readonly store: Store | null;
}

interface Store {
  readonly backends: string;
  readonly data: string;
  readonly isWhole: boolean;
}

/** Of a backends file. */
export interface LiveBackend {
  readonly address: string;
  readonly namespace?: string;
  readonly node: string;
}

export interface LiveStoreOptions {
  /** Nodes that it is placed on at first. */
  readonly only: readonly string[];
  readonly files: number;
  readonly fileBytes: number;
}

/** As its role is called that has shards. */
export const shardsRole = 'shards';
/** One may be lost without the next loss being the end: a head waits for another namespace. */
const code = { dataShards: 2, parityShards: 2 } as const;
const chunkBytes = 4 * 2 ** 20;
/** A head that takes longer to end is killed, ms. */
const closeMs = 10_000;

const apart = { distinctNodes: true };
const definition = {
  secrets: { admin: 'open sesame' },
  heal: { maxPerHour: 100 },
  roles: [
    {
      ...{ name: shardsRole, shards: `${code.dataShards}+${code.parityShards}`, data: 'dispersed' },
      ...{ zdb: { size: '1GiB', password: 'admin' }, spread: apart },
    },
    {
      ...{ name: 'log', replicas: 5, data: 'dispersed' },
      ...{ zdb: { size: '64MiB', password: 'admin' }, spread: apart },
    },
  ],
} as unknown as ContractDefinition;

/** A store whose namespaces are workloads of a contract of the buyer, its head, and what is in it. */
export class LiveStore implements AsyncDisposable {
  readonly contract: ContractId;
  /** Bytes that were put. */
  readonly dataBytes: number;
  readonly #backends: string;
  readonly #data: string;
  readonly #head: ChildProcess;

  private constructor(
    contract: ContractId,
    { backends, data }: Store,
    { files, fileBytes }: LiveStoreOptions,
  ) {
    this.contract = contract;
    this.dataBytes = files * fileBytes;
    this.#backends = backends;
    this.#data = data;
    const program = fileURLToPath(new URL('store-head.ts', import.meta.url));
    const { dataShards, parityShards } = code;
    const numbers = [dataShards, parityShards, chunkBytes, files, fileBytes].map(String);
    this.#head = spawn(process.execPath, [program, backends, data, ...numbers], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  }

  /** Ordered, placed, and filled. */
  static async open(
    live: LiveGrid,
    contracts: LiveContracts,
    options: LiveStoreOptions,
  ): Promise<LiveStore> {
    const id = await contracts.offer(options.only, definition);
    await contracts.approve(id, 'provision');
    const place = await live.until('the namespaces of a store', async () => {
      const standing = await live.call<Standing>('contracts.status', { contract: id });
      return standing.store ?? undefined;
    });
    await using stack = new AsyncDisposableStack();
    const store = stack.use(new LiveStore(id, place, options));
    await store.#filled(live);
    stack.move();
    return store;
  }

  /** Namespaces of shards as the store is told of them. */
  async shards(): Promise<readonly LiveBackend[]> {
    const all = JSON.parse(await readFile(this.#backends, 'utf8')) as readonly LiveBackend[];
    return all.filter(({ namespace }) => namespace !== undefined);
  }

  /** How the bot of its owner says that its contract stands. */
  standing(live: LiveGrid): Promise<Standing> {
    return live.call('contracts.status', { contract: this.contract });
  }

  /** As `LiveGrid.until`, and says how its contract stands when it takes too long. */
  async until<T>(
    live: LiveGrid,
    what: string,
    look: () => Promise<T | false | undefined>,
    everyMs?: number,
  ): Promise<T> {
    try {
      return await live.until(what, look, everyMs);
    } catch (error) {
      if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
      const standing = JSON.stringify(await this.standing(live));
      throw new Error(`${what} took too long: ${standing}`, { cause: error });
    }
  }

  async status(): Promise<CareStatus> {
    return (await askControl(controlPathOf(this.#data), 'status')) as CareStatus;
  }

  /** How many chunks its files have; each has a shard in each namespace. */
  get chunks(): number {
    return Math.ceil(this.dataBytes / chunkBytes);
  }

  /** CPU seconds of its head so far. */
  cpuSeconds(): Promise<number> {
    return cpuSecondsOf(this.#head.pid ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const head = this.#head;
    if (head.exitCode !== null || head.signalCode !== null) return;
    const over = once(head, 'exit');
    head.stdin?.end();
    const timer = setTimeout(() => head.kill('SIGKILL'), closeMs);
    await over;
    clearTimeout(timer);
  }

  async #filled(live: LiveGrid): Promise<void> {
    let isFilled = false;
    this.#head.stdout?.once('data', () => (isFilled = true));
    await live.until('a store to be filled', async () => {
      const { exitCode, signalCode } = this.#head;
      if (exitCode !== null || signalCode !== null) throw new Error('the head of a store ended');
      return isFilled;
    });
  }
}
