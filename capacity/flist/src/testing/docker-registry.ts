import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Debian's docker-registry on a port of its own. */
export class DockerRegistry implements AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly #end: () => Promise<void>;

  private constructor(host: string, end: () => Promise<void>) {
    this.host = host;
    this.#end = end;
  }

  /** @param folder where it keeps images, in `registry` */
  static async open(folder: string): Promise<DockerRegistry> {
    const config = join(folder, 'registry.yml');
    const storage = `{filesystem: {rootdirectory: ${join(folder, 'registry')}}}`;
    await writeFile(config, `version: 0.1\nstorage: ${storage}\nhttp: {addr: "127.0.0.1:0"}\n`);
    const child = spawn('docker-registry', ['serve', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const exited = once(child, 'exit');
    const end = async (): Promise<void> => {
      child.kill();
      await exited;
    };
    const signal = AbortSignal.timeout(30_000);
    try {
      for await (const line of createInterface({ input: child.stderr, signal })) {
        const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
        if (host === undefined) continue;
        child.stderr.resume();
        return new DockerRegistry(host, end);
      }
    } catch (error) {
      await end();
      throw error;
    }
    throw new Error('docker-registry ended');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end();
  }
}
