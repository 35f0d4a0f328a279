import { mkdir } from 'node:fs/promises';

import { runProgram } from '@commongrid/base';

import { mountsAt } from './mounts.ts';
import { takeAway } from './take-away.ts';

/**
 * Mounts a sysfs that belongs to no network of the host: to be seen in containers, which may not mount
 * one themselves as their network namespaces are the host's.
 */
export async function mountSysfs(target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  if ((await mountsAt(target)).length > 0) return;
  const mount = ['mount', '-i', '-t', 'sysfs', '-o', 'ro,nosuid,nodev,noexec', 'sysfs', target];
  // The mount stays when the network namespace that it is made in has no process any more.
  await runProgram('unshare', ['--net', ...mount]);
}

export async function unmountSysfs(target: string): Promise<void> {
  await takeAway(
    () => mountsAt(target),
    () => runProgram('umount', ['-i', target]),
  );
}
