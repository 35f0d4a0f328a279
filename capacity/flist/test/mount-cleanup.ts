import { tempFolder } from '@commongrid/base/testing';

import { readMounts, unmount } from '../src/sys/mounts.ts';

/** A folder that goes when the test ends, with all that is mounted below it then. */
export async function mountFolder(
  t: { after: (fn: () => Promise<void>) => void },
  name: string,
): Promise<string> {
  const folder = await tempFolder(name);
  t.after(async () => {
    await unmountBelow(folder.path);
    await folder[Symbol.asyncDispose]();
  });
  return folder.path;
}

async function unmountBelow(folder: string): Promise<void> {
  const targets = (await readMounts()).map(({ target }) => target);
  for (const target of targets.toReversed()) {
    if (target.startsWith(`${folder}/`)) await unmount(target, { isLazy: true });
  }
}
