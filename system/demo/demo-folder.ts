import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { FolderLock, readMounts } from '@commongrid/base';

import { TestGrid } from '../e2e/grid-process.ts';
import { killMachine } from '../machines/machine-processes.ts';
import { DemoNetwork } from './demo-network.ts';
import { takeMachineOff } from './demo-node.ts';
import { eachOf } from './each-of.ts';

/** Programs that take machines off at a time. */
const width = 3;

/**
 * The folder of a demo, which one demo has at a time. What a demo that was killed left is cleared away before the next
 * one begins: processes, mounts, namespaces, data.
 */
export class DemoFolder implements AsyncDisposable {
  readonly path: string;
  readonly #lock: FolderLock;

  private constructor(path: string, lock: FolderLock) {
    this.path = path;
    this.#lock = lock;
  }

  /** Empty. @throws BASE_FOLDER_LOCKED while another demo has it */
  static async open(path: string): Promise<DemoFolder> {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const folder = new DemoFolder(path, await FolderLock.open(path));
    try {
      await folder.#clear();
    } catch (error) {
      await folder.#lock.close();
      throw error;
    }
    return folder;
  }

  /** Disks of machines. */
  get nodes(): string {
    return join(this.path, 'nodes');
  }

  /** The grid of the demo, as its owner uses it: neither S3 nor a node of its own. */
  grid(): TestGrid {
    const folder = { path: this.path, [Symbol.asyncDispose]: async () => {} };
    return new TestGrid(folder, { hasBots: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _lock = this.#lock;
    await this.#clear();
  }

  /** @throws when something stays mounted: then nothing is deleted */
  async #clear(): Promise<void> {
    // Bots first: they would place elsewhere what machines lose now.
    const grid = this.grid();
    if (existsSync(grid.home)) await grid.close();
    await killMachine({ folder: join(grid.home, 'bots'), prefix: noContainers });
    const disks = await readdir(this.nodes).catch(() => []);
    const numbers = disks.filter((name) => /^\d\d$/.test(name)).map(Number);
    for (const network of DemoNetwork.left(this.path)) {
      await eachOf(numbers, width, (at) => takeMachineOff(network, this.nodes, at));
      await network.remove();
    }
    const mounts = await readMounts();
    const left = mounts.filter(({ target }) => target.startsWith(`${this.path}/`));
    if (left.length > 0) throw new Error(`${left[0]?.target} is still mounted`);
    const names = (await readdir(this.path)).filter((name) => name !== 'LOCK');
    for (const name of names) await rm(join(this.path, name), { recursive: true, maxRetries: 10 });
  }
}

/** A prefix that no node can have. */
const noContainers = '-';
