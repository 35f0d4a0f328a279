import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { askControl, isGridError, mountAt, waitFor } from '@commongrid/base';
import type { ControlArguments } from '@commongrid/base';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { flistDigestOf } from '../src/format/flist.ts';
import type { Flist } from '../src/format/flist.ts';
import { packFlist } from '../src/format/pack-flist.ts';
import { createFromFolder } from '../src/make/create-from-folder.ts';
import { controlPathOf } from '../src/mount/image-service.ts';
import { writeServiceConfig } from '../src/mount/service-config.ts';
import type { ServiceConfig } from '../src/mount/service-config.ts';
import { serviceCommand } from '../src/mount/service-command.ts';
import type { ChunkHash } from '../src/ports.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { mountFolder } from './mount-cleanup.ts';

const deadline = { timeoutMs: 60_000 };

/** An flist that was made of a folder, its chunks in a repository. */
export interface MadeFlist {
  readonly path: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

/** The holder and the image service of a store, as processes, until the test ends. */
export class ServiceHarness {
  readonly folder: string;
  readonly store: string;
  readonly #repository: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(folder: string, stack: AsyncDisposableStack) {
    this.folder = folder;
    this.store = join(folder, 'store');
    this.#repository = join(folder, 'repository');
    this.#stack = stack;
  }

  static async open(
    t: { after: (fn: () => Promise<void>) => void },
    config: Partial<ServiceConfig> = {},
  ): Promise<ServiceHarness> {
    const { folder, stack } = await mountFolder(t, 'mount');
    const harness = new ServiceHarness(folder, stack);
    await mkdir(harness.store, { mode: 0o700 });
    const sources = [{ folder: harness.#repository }];
    const whole: ServiceConfig = { maxBytes: 256 * 1024 * 1024, sources, ...config };
    await writeServiceConfig(harness.store, whole);
    return harness;
  }

  /** Makes an flist of a folder. */
  async make(source: string): Promise<MadeFlist> {
    await using repository = await FlistRepository.open({ folder: this.#repository });
    const { flist } = await createFromFolder(source, repository);
    await repository.sync();
    const bytes = encodeFlist(flist);
    return { path: await this.write(flist), digest: flistDigestOf(bytes), bytes };
  }

  /** Writes an flist to a file, whose path it gives. */
  async write(flist: Flist): Promise<string> {
    const bytes = encodeFlist(flist);
    const path = join(this.folder, `${flistDigestOf(bytes)}.flist`);
    await writeFile(path, await packFlist(bytes));
    return path;
  }

  /** Starts a holder; it ends in order with the test. */
  async start(): Promise<{ readonly pid: number; readonly ended: Promise<unknown> }> {
    const [command = '', ...args] = serviceCommand(this.store);
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text: Buffer) => void (said += text.toString()));
    const ended = once(child, 'exit');
    this.#stack.defer(async () => {
      child.kill('SIGTERM');
      await ended;
      if (child.signalCode === null) assert.equal(child.exitCode, 0, said);
      if (child.exitCode === 0) {
        assert.equal(await mountAt(join(this.store, 'fuse')), undefined, said);
      }
    });
    await this.servicePid();
    return { pid: child.pid ?? 0, ended };
  }

  /** Of the service that answers, other than the one that is known. */
  servicePid(known?: number): Promise<number> {
    const look = async (): Promise<number | undefined> => {
      try {
        const { pid } = (await this.ask('status')) as { pid: number };
        return pid === known ? undefined : pid;
      } catch (error) {
        if (isGridError(error) && error.code.startsWith('BASE_CONTROL_')) return undefined;
        throw error;
      }
    };
    return waitFor(look, { ...deadline, what: 'a service', everyMs: 20 });
  }

  ask(action: string, args: ControlArguments = {}): Promise<unknown> {
    return askControl(controlPathOf(this.store), action, args, deadline);
  }

  /** Mounts at a new folder, which it gives. */
  async mount(
    flist: Pick<MadeFlist, 'path'>,
    args: ControlArguments & { id: string },
  ): Promise<string> {
    const target = join(this.folder, args.id);
    await mkdir(target, { recursive: true });
    await this.ask('mount', { flist: flist.path, target, ...args });
    return target;
  }
}

/**
 * Kills a process and waits until all of its threads are gone: what is asked of a FUSE server while
 * it dies, the kernel itself fails.
 */
export async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  const isGone = async (): Promise<boolean> => {
    const [threads, status] = await Promise.all([
      readdir(`/proc/${pid}/task`).catch(() => []),
      readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''),
    ]);
    return threads.length === 0 || (threads.length === 1 && status.includes('(zombie)'));
  };
  await waitFor(isGone, { ...deadline, what: `the end of ${pid}` });
}

/** What a folder has, in one number: the digest of an flist of it. */
export async function digestOfFolder(folder: string): Promise<string> {
  const put = async (chunk: Uint8Array): Promise<ChunkHash> =>
    hash('sha256', chunk, 'hex') as ChunkHash;
  const { flist } = await createFromFolder(folder, { put });
  return flistDigestOf(encodeFlist(flist));
}
