import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  readdir,
  readlink,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';

import { runProgram } from '@commongrid/base';

const mib = 2 ** 20;

/** One of each kind of file that a backup could lose. */
export async function writeTree(folder: string, uid: number): Promise<void> {
  const at = (name: string): string => join(folder, name);
  await writeFile(at('plain'), 'plain');
  await mkdir(at('folder'));
  await writeFile(at('folder/setuid'), 'program');
  await link(at('plain'), at('folder/same'));
  await symlink('../plain', at('folder/link'));
  await symlink('/proc/0/nothing', at('dangling'));
  await writeFile(at('sparse'), 'begin');
  await truncate(at('sparse'), 1024 * mib);
  await writeFile(at('ünicode and\nnewline'), '');
  await writeFile(at('-dash'), '');
  await runProgram('setfattr', ['-n', 'user.note', '-v', 'kept', at('plain')]);
  await runProgram('setfacl', ['-m', `u:${uid + 5}:rwx`, at('folder')]);
  await runProgram('mkfifo', [at('fifo')]);
  await runProgram('chown', ['--recursive', '--no-dereference', `${uid}:${uid}`, folder]);
  await chown(at('plain'), uid + 33, uid + 34);
  await chown(folder, uid + 7, uid + 8);
  await chmod(folder, 0o2750);
  // Changing owners took it away.
  await chmod(at('folder/setuid'), 0o4755);
}

/** What is seen of such a tree, with ids from 0 on. */
export async function treeOf(folder: string, uid: number): Promise<unknown> {
  const seen: unknown[] = [];
  const names = ['.', ...(await readdir(folder, { recursive: true })).toSorted()];
  for (const name of names) {
    const path = join(folder, name);
    const {
      mode,
      nlink,
      size: sizeBytes,
      blocks,
      mtimeNs,
      ...found
    } = await lstat(path, {
      bigint: true,
    });
    const isFile = (mode & 0o170000n) === 0o100000n;
    const isLink = (mode & 0o170000n) === 0o120000n;
    seen.push({
      name,
      mode,
      uid: Number(found.uid) - uid,
      gid: Number(found.gid) - uid,
      ...(isFile ? { sizeBytes, nlink, mtimeNs, isSparse: blocks * 512n < sizeBytes } : {}),
      ...(isLink ? { target: await readlink(path) } : {}),
    });
  }
  const note = await runProgram('getfattr', [
    '--only-values',
    '-n',
    'user.note',
    join(folder, 'plain'),
  ]);
  const rights = await runProgram('getfacl', ['-cpn', join(folder, 'folder')]);
  return {
    seen,
    note,
    rights: rights.replace(/user:(\d+)/, (_all, id) => `user:${Number(id) - uid}`),
  };
}
