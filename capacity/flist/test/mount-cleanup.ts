import { readMounts } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';

import { unmount } from '../src/sys/mounts.ts';

/**
 * A folder that goes when the test ends, with all that is mounted below it then. What is put on the
 * stack later goes before.
 */
export async function mountFolder(
  t: { after: (fn: () => Promise<void>) => void },
  name: string,
): Promise<{ folder: string; stack: AsyncDisposableStack }> {
  const stack = new AsyncDisposableStack();
  t.after(() => stack.disposeAsync());
  const { path } = stack.use(await tempFolder(name));
  stack.defer(() => unmountBelow(path));
  return { folder: path, stack };
}

/** Takes away whatever is mounted in a folder, the last first. */
export async function unmountBelow(folder: string): Promise<void> {
  const targets = (await readMounts()).map(({ target }) => target);
  for (const target of targets.toReversed()) {
    if (target.startsWith(`${folder}/`)) await unmount(target, { isLazy: true });
  }
}
