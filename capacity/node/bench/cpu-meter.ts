import { access, mkdir, readFile, rmdir } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { errorCode, waitFor } from '@commongrid/base';

const root = '/sys/fs/cgroup';

/** Counts the CPU time of processes and of all that they start, in a cgroup of its own. */
export class CpuMeter implements AsyncDisposable {
  readonly #tree: string;
  readonly #isV2: boolean;
  readonly #folder: string;

  private constructor(isV2: boolean) {
    this.#isV2 = isV2;
    this.#tree = isV2 ? root : join(root, 'cpuacct');
    this.#folder = join(this.#tree, `commongrid-bench-${process.pid}`);
  }

  static async open(): Promise<CpuMeter> {
    const isV2 = await access(join(root, 'cgroup.controllers')).then(
      () => true,
      () => false,
    );
    const meter = new CpuMeter(isV2);
    await mkdir(meter.#folder);
    return meter;
  }

  /** At once: what it has started before is not counted. */
  add(pid: number): void {
    writeFileSync(join(this.#folder, 'cgroup.procs'), String(pid));
  }

  /** @param besides another cgroup, for what was moved there */
  async usedMs(besides: string): Promise<number> {
    const used = [this.#folder, join(this.#tree, besides)].map((folder) => this.#usedMs(folder));
    return (await Promise.all(used)).reduce((sum, one) => sum + one, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isGone = async (): Promise<boolean> =>
      rmdir(this.#folder).then(
        () => true,
        () => false,
      );
    await waitFor(isGone, { timeoutMs: 10_000, what: 'the end of all that was measured' });
  }

  async #usedMs(folder: string): Promise<number> {
    // Before the first container there is no cgroup for them.
    if (!this.#isV2) return Number(await textOf(join(folder, 'cpuacct.usage'))) / 1e6;
    const text = await textOf(join(folder, 'cpu.stat'));
    return Number(/usage_usec (\d+)/.exec(text)?.[1] ?? 0) / 1e3;
  }
}

async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  });
}
