import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { runProgram } from '@commongrid/base';
import { createFromFolder, encodeFlist, FlistRepository, packFlist } from '@commongrid/flist';

/**
 * Makes an image of busybox for a hub.
 * @param root is used for its files, and goes
 * @returns its digest
 */
export async function makeImage(hub: string, root: string): Promise<string> {
  for (const folder of ['bin', 'dev', 'etc', 'proc', 'root', 'run', 'sys', 'tmp', 'data']) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await runProgram('cp', ['/bin/busybox', join(root, 'bin')]);
  for (const name of (await runProgram('/bin/busybox', ['--list'])).split('\n')) {
    if (/^[\w.-]+$/.test(name) && name !== 'busybox') {
      await symlink('busybox', join(root, 'bin', name));
    }
  }
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n');
  await using repository = await FlistRepository.open({ folder: join(hub, 'images') });
  const { flist } = await createFromFolder(root, repository);
  const digest = await repository.putFlist(await packFlist(encodeFlist(flist)));
  await rm(root, { recursive: true });
  return digest;
}
