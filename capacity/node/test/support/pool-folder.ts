import { FolderLock, readMounts, runProgram, waitFor } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { HeldPrograms } from '../../src/sys/held-programs.ts';
import { LoopDisk, loopsBelow } from '../../src/sys/loop.ts';

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
  await using own = await tempFolder();
  await using lock = await FolderLock.open(own.path);
  const programs = new HeldPrograms(lock);
  for (const { file } of await loopsBelow(folder)) await LoopDisk.detachAll(programs, file);
}

/** A disk that shows a file, which stays until it is taken away. */
export async function attachLoop(file: string): Promise<string> {
  return (await runProgram('losetup', ['--find', '--show', file])).trim();
}

/** Waits until no file of a folder is a disk: who copied the table of mounts meanwhile keeps it for as long. */
export async function noLoopsBelow(folder: string): Promise<void> {
  const what = `the end of all disks in ${folder}`;
  await waitFor(async () => (await loopsBelow(folder)).length === 0, { timeoutMs: 60_000, what });
}
