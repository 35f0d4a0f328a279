import { mountAt } from '@commongrid/base';

import type { HeldPrograms } from './held-programs.ts';
import { takeAway } from './take-away.ts';

/** Options of a mount, as mount(8) takes them. */
export async function mountDisk(
  programs: HeldPrograms,
  device: string,
  target: string,
  type: 'btrfs' | 'ext4',
  options: readonly string[],
): Promise<void> {
  await programs.run('mount', ['-t', type, '-o', options.join(','), device, target], {
    timeoutMs: mountTimeoutMs,
  });
}

/** Unmounts what is visible there, if anything is. @throws BASE_PROGRAM_FAILED when it is in use */
export async function unmountDisk(programs: HeldPrograms, target: string): Promise<void> {
  await takeAway(
    () => mountsAt(target),
    () => programs.run('umount', [target], { timeoutMs: mountTimeoutMs }),
  );
}

/** What is visible there: one mount, or none. */
export async function mountsAt(target: string): Promise<readonly string[]> {
  const found = await mountAt(target);
  return found === undefined ? [] : [found.source];
}

/** A file system that was not unmounted replays its journal first; unmounting writes what is left. */
const mountTimeoutMs = 300_000;
