import { access, mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { GridError } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import type { Cgroups } from '../sys/cgroup.ts';
import { bundleFiles, createUnderConmon } from '../sys/conmon.ts';
import type { Runc } from '../sys/runc.ts';
import type { ContainerSpec } from './container-spec.ts';
import { chooseCpus, hasOwnCpus } from './cpu-choice.ts';
import { ociConfig } from './oci-config.ts';
import type { SeccompFilters } from './seccomp-filters.ts';

export interface ContainerMakerOptions {
  /** Path of the program. */
  readonly conmon: string;
  readonly runc: Runc;
  readonly cgroups: Cgroups;
  readonly seccomp: SeccompFilters;
  /** Where conmon is to write exit codes. */
  readonly exitFolder: string;
  /** A sysfs for containers. */
  readonly sysFolder: string;
  readonly canLimitSwap: boolean;
  readonly openFilesMax: number;
}

/** runc makes a container in 50 ms; one that takes so long does not. */
export const createTimeoutMs = 30_000;

/** In a bundle: the spec that it was made for. */
export const specFile = 'spec';

/** Writes bundles of containers, and has conmon make them. */
export class ContainerMaker {
  readonly #options: ContainerMakerOptions;
  /** CPUs of containers that are being made, which the kernel does not know yet. */
  readonly #promisedCpus = new Map<string, readonly number[]>();

  constructor(options: ContainerMakerOptions) {
    this.#options = options;
  }

  /**
   * Makes what is not there yet.
   * @throws NODE_COMMAND_MISSING, NODE_CONTAINER_FAILED, BASE_TIMEOUT; then parts of it may be there
   */
  async make(spec: ContainerSpec, bundleFolder: string): Promise<void> {
    const { conmon: program, runc, cgroups, seccomp, exitFolder, ...machine } = this.#options;
    const { id, logFile, networkNamespace, mounts } = spec;
    // runc does not say which it misses.
    for (const { source } of mounts) await requireSource(source);
    await mkdir(bundleFolder, { recursive: true, mode: 0o700 });
    try {
      const config = ociConfig(spec, {
        ...machine,
        seccomp: seccomp.of(spec),
        cgroupsPath: cgroups.pathOf(id),
        cpus: await this.#chooseCpus(spec),
      });
      // Its variables may be secret.
      const mode = 0o600;
      await writeFile(join(bundleFolder, bundleFiles.config), JSON.stringify(config), { mode });
      await writeFile(join(bundleFolder, specFile), JSON.stringify(spec), { mode });
      await createUnderConmon({
        ...{ program, runc, id, bundleFolder, exitFolder, logFile, networkNamespace },
        timeoutMs: createTimeoutMs,
      });
    } finally {
      this.#promisedCpus.delete(id);
    }
  }

  async #chooseCpus({ id, limits }: ContainerSpec): Promise<readonly number[] | undefined> {
    const cpuCount = availableParallelism();
    if (!hasOwnCpus(limits.cpuMilli, cpuCount)) return undefined;
    const taken = [...(await this.#options.cgroups.cpuSets()), ...this.#promisedCpus.values()];
    const chosen = chooseCpus(limits.cpuMilli, cpuCount, taken);
    this.#promisedCpus.set(id, chosen);
    return chosen;
  }
}

async function requireSource(path: string): Promise<void> {
  await access(path).catch((cause: unknown) => {
    const message = `the container cannot be made: there is no ${path} to mount`;
    throw new GridError<NodeErrorCode>('NODE_CONTAINER_FAILED', message, { cause });
  });
}
