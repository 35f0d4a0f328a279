import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { writeFileAtomic } from '@commongrid/base';

/**
 * A path of programs in front of those of the system which end the process that runs them, by
 * SIGKILL, at the N-th place. An even one is when a program is done. An odd one is before it does
 * anything, and it does that when the next process is at work, or two seconds later: nobody told it
 * to end.
 */
export class DeadlyPath {
  readonly env: NodeJS.ProcessEnv;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    const path = process.env['PATH'] ?? '';
    this.env = { ...process.env, PATH: `${folder}/bin:${path}` };
  }

  static async make(folder: string, programs: readonly string[]): Promise<DeadlyPath> {
    await mkdir(join(folder, 'bin'), { recursive: true });
    for (const program of programs) {
      const path = join(folder, 'bin', program);
      await writeFile(path, script(program, folder));
      await chmod(path, 0o755);
    }
    return new DeadlyPath(folder);
  }

  /** @param count 0 for none */
  async arm(count: number): Promise<void> {
    await writeFileAtomic(join(this.#folder, 'count'), '0\n');
    await writeFileAtomic(join(this.#folder, 'deadly'), `${count}\n`);
  }

  /** Places to kill at that there were since it was armed. */
  async places(): Promise<number> {
    return Number(await readFile(join(this.#folder, 'count'), 'utf8'));
  }
}

/**
 * Programs of a pool run one after the other, so a file is counter enough. What a killed process left may still count
 * beside the next one: files are put there whole, since a shell reads them byte by byte.
 */
function script(program: string, folder: string): string {
  return `#!/bin/sh
place() {
  read -r count < "${folder}/count"
  count=$((count + 1))
  echo $count > "${folder}/count.$$"
  mv "${folder}/count.$$" "${folder}/count"
  read -r deadly < "${folder}/deadly"
  [ $count != "$deadly" ] || { kill -9 $PPID; $1; }
}
late() {
  left=20
  while [ $left -gt 0 ]; do
    sleep 0.1
    read -r count < "${folder}/count"
    read -r deadly < "${folder}/deadly"
    [ "$deadly" = 0 ] && [ "$count" -gt 0 ] && break
    left=$((left - 1))
  done
}
place late
PATH="${process.env['PATH'] ?? ''}"
${program} "$@"
status=$?
place true
exit $status
`;
}
