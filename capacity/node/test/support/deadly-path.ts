import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A path of programs in front of those of the system which end the process that runs them, by
 * SIGKILL, at the N-th program: an odd one before it does anything, an even one when it is done.
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
    await writeFile(join(this.#folder, 'count'), '0');
    await writeFile(join(this.#folder, 'deadly'), String(count));
  }

  /** Places to kill at that there were since it was armed. */
  async places(): Promise<number> {
    return Number(await readFile(join(this.#folder, 'count'), 'utf8'));
  }
}

/** Programs of a pool run one after the other, so a file is counter enough. */
function script(program: string, folder: string): string {
  return `#!/bin/sh
place() {
  read -r count < "${folder}/count"
  count=$((count + 1))
  echo $count > "${folder}/count"
  read -r deadly < "${folder}/deadly"
  [ $count != "$deadly" ] || { kill -9 $PPID; exit 1; }
}
place
PATH="${process.env['PATH'] ?? ''}"
${program} "$@"
status=$?
place
exit $status
`;
}
