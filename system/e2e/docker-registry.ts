import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Time for it to listen. */
const startTimeoutMs = 30_000;

/** Debian's docker-registry on a port of its own, until the test ends. */
export class DockerRegistry implements AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly #child: ChildProcess;

  private constructor(host: string, child: ChildProcess) {
    this.host = host;
    this.#child = child;
  }

  /** @param folder where it keeps its images */
  static async open(folder: string): Promise<DockerRegistry> {
    const config = join(folder, 'registry.yml');
    const storage = `{filesystem: {rootdirectory: ${join(folder, 'registry')}}}`;
    await writeFile(config, `version: 0.1\nstorage: ${storage}\nhttp: {addr: "127.0.0.1:0"}\n`);
    const child = spawn('docker-registry', ['serve', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const signal = AbortSignal.timeout(startTimeoutMs);
    for await (const line of createInterface({ input: child.stderr, signal })) {
      const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (host === undefined) continue;
      child.stderr.resume();
      return new DockerRegistry(host, child);
    }
    child.kill('SIGKILL');
    throw new Error('docker-registry does not listen');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }
}
