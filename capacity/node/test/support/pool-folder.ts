import { readMounts, runProgram, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { detachLoop, loopsBelow } from '../../src/sys/loop.ts';

/** A folder that goes when the test ends, with what is mounted in it and the disks of its files. */
export async function poolFolder(stack: AsyncDisposableStack): Promise<string> {
  const { path } = stack.use(await tempFolder('node-volumes-'));
  stack.defer(() => letGo(path));
  return path;
}

/** What a machine that restarts does: nothing is mounted, files are as they were. */
export async function letGo(folder: string): Promise<void> {
  const targets = (await readMounts()).map(({ target }) => target);
  for (const target of targets.toReversed()) {
    if (target.startsWith(`${folder}/`)) await runProgram('umount', [target]);
  }
  for (const { device } of await loopsBelow(folder)) await detachLoop(device);
}

/** Waits until no file of a folder is a disk: who copied the table of mounts meanwhile keeps it for as long. */
export async function noLoopsBelow(folder: string): Promise<void> {
  const what = `the end of all disks in ${folder}`;
  await waitFor(async () => (await loopsBelow(folder)).length === 0, { timeoutMs: 20_000, what });
}
