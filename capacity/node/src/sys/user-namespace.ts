import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';

import { GridError } from '@commongrid/base';

import type { NodeErrorCode } from '../errors.ts';

/**
 * Ids as a container of a tenant sees them. What runs in it is root there, and on the machine it may
 * do to the tenant's files what it likes and nothing else. It is kept by a process that ends with
 * this object, or with this process.
 */
export class UserNamespace implements AsyncDisposable {
  /** What `nsenter --user=PATH` takes. */
  readonly path: string;
  readonly #end: () => Promise<void>;

  constructor(path: string, end: () => Promise<void>) {
    this.path = path;
    this.#end = end;
  }

  /** @param firstId the machine's id of its 0; `idCount` ids follow each other */
  static async open(firstId: number, idCount: number): Promise<UserNamespace> {
    // `cat` ends when its input does: when we close it, and when we are killed.
    const keeper = spawn('unshare', ['--user', 'sh', '-c', 'echo && exec cat'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const { stdin, stdout, pid } = keeper;
    const ended = once(keeper, 'exit');
    const begun: unknown[] = await Promise.race([once(stdout, 'data'), ended]);
    if (pid === undefined || !(begun[0] instanceof Buffer)) throw missing();
    const map = `0 ${firstId} ${idCount}\n`;
    await writeFile(`/proc/${pid}/uid_map`, map);
    await writeFile(`/proc/${pid}/gid_map`, map);
    return new UserNamespace(`/proc/${pid}/ns/user`, async () => {
      stdin.end();
      await ended;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }
}

function missing(): GridError<NodeErrorCode> {
  return new GridError('NODE_FEATURE_MISSING', 'no user namespace can be made', {
    hint: 'install util-linux; user.max_user_namespaces of the kernel must not be 0',
  });
}
