import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { GridError, isGridError, terminate, waitFor } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';
import type { Cgroups } from '../sys/cgroup.ts';
import { bundleFiles, conmonOf, isConmonAlive } from '../sys/conmon.ts';
import { endGuard } from '../sys/guard.ts';
import type { Runc } from '../sys/runc.ts';
import type { ExitFiles } from './exit-files.ts';
import { endProcess, endStrays } from './stray-processes.ts';

export interface EndContainerOptions {
  readonly id: string;
  readonly bundleFolder: string;
  readonly runc: Runc;
  readonly cgroups: Cgroups;
  readonly exits: ExitFiles;
}

/** SIGKILL takes effect at once, but in the kernel: there a process may be on a disk that hangs. */
const killTimeoutMs = 10_000;

/** conmon writes the rest of the log, and the exit code. */
const conmonTimeoutMs = 2_000;

/**
 * Ends what there is of a container, and takes it away. The order is what makes it come to the same
 * after a kill in the middle: the bundle goes last, so that whoever finds one knows of the rest.
 * @throws NODE_CONTAINER_STUCK
 */
export async function endContainer(options: EndContainerOptions): Promise<void> {
  const { id, bundleFolder, runc, cgroups, exits } = options;
  const left = [isThere(bundleFolder), runc.has(id), cgroups.has(id)];
  if (!(await Promise.all(left)).includes(true)) return exits.remove(id);
  // conmon and runc may still be making it, for an agent that was killed.
  if (await isHalfMade(bundleFolder)) await endStrays([bundleFolder]);
  await endProcesses(id, cgroups);
  await endConmon(bundleFolder);
  await endGuard(bundleFolder);

  if (await runc.has(id)) await runc.delete(id);
  await cgroups.remove(id);
  await exits.remove(id);
  await rm(bundleFolder, { recursive: true, force: true });
}

/** Ends all processes of a container, frozen ones too. @throws NODE_CONTAINER_STUCK */
export async function endProcesses(id: string, cgroups: Cgroups): Promise<void> {
  await cgroups.thaw(id);
  const areGone = async (): Promise<boolean> => {
    const pids = await cgroups.processes(id);
    for (const pid of pids) endProcess(pid);
    return pids.length === 0;
  };
  const what = `the end of container ${id}`;
  try {
    await waitFor(areGone, { timeoutMs: killTimeoutMs, everyMs: 2, what });
  } catch (error) {
    if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
    const message = `processes of container ${id} do not end though they were killed`;
    throw new GridError<NodeErrorCode>('NODE_CONTAINER_STUCK', message, {
      hint: 'see what they wait for: /proc/PID/stack',
      retryable: true,
      details: { id, pids: await cgroups.processes(id) },
      cause: error,
    });
  }
}

async function endConmon(bundleFolder: string): Promise<void> {
  const isGone = async (): Promise<boolean> => !(await isConmonAlive(bundleFolder));
  try {
    const what = 'the end of conmon';
    await waitFor(isGone, { timeoutMs: conmonTimeoutMs, everyMs: 2, what });
  } catch (error) {
    if (!isGridError(error, 'BASE_TIMEOUT')) throw error;
    const conmon = await conmonOf(bundleFolder);
    // It passes other signals on to a container that is gone.
    if (conmon !== undefined) await terminate(conmon, 0);
  }
}

async function isHalfMade(bundleFolder: string): Promise<boolean> {
  return (await isThere(bundleFolder)) && !(await isThere(join(bundleFolder, bundleFiles.pid)));
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
