import { existsSync } from 'node:fs';
import { mkdir, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { FolderLock, GridError, isAtomicTemp, readMounts, writeFileAtomic } from '@commongrid/base';

import { TestGrid } from '../e2e/grid-process.ts';
import { killMachine } from '../machines/machine-processes.ts';
import { DemoNetwork } from './demo-network.ts';
import { takeMachineOff } from './demo-node.ts';
import { eachOf } from './each-of.ts';

/** Programs that take machines off at a time. */
const width = 3;

/** There from before a demo makes anything in a folder until all of it is gone: only then may all in there be deleted. */
const markerFile = 'grid-demo.json';
/** What may be in a folder that no demo had before. */
const beforeDemo: ReadonlySet<string> = new Set(['LOCK', 'lost+found']);

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

  /** Empty. @throws BASE_FOLDER_LOCKED while another demo has it; GRID_FOLDER_FOREIGN where it has files of something else */
  static async open(given: string): Promise<DemoFolder> {
    await mkdir(given, { recursive: true, mode: 0o700 });
    // As the kernel tells where something is mounted.
    const path = await realpath(given);
    await requireOwn(path);
    const folder = new DemoFolder(path, await FolderLock.open(path));
    try {
      await writeFileAtomic(join(path, markerFile), '{"schema":"grid.demo.folder.1"}\n');
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
    await rm(join(this.path, markerFile));
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
    const names = (await readdir(this.path)).filter(
      (name) => name !== markerFile && !beforeDemo.has(name),
    );
    for (const name of names) await rm(join(this.path, name), { recursive: true, maxRetries: 10 });
  }
}

/** @throws GRID_FOLDER_FOREIGN */
async function requireOwn(path: string): Promise<void> {
  const names = await readdir(path);
  if (names.includes(markerFile)) return;
  const others = names.filter((name) => !beforeDemo.has(name) && !isAtomicTemp(name));
  if (others.length === 0) return;
  const message = `${path} holds files that are not of a demo: ${others.slice(0, 3).join(', ')}`;
  throw new GridError('GRID_FOLDER_FOREIGN', message, {
    hint: 'name an empty or new folder: a demo deletes all that is in its own',
    details: { folder: path },
  });
}

/** A prefix that no node can have. */
const noContainers = '-';
