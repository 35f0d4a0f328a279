import { createHash, randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { run } from '../../e2e/grid-process.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { bucket, dataFolder, storeEndpoint } from './store-client.ts';
import { sumOfFile } from '../data/real-files.ts';

/** What came of one request that nobody tries again. */
export interface ProbeAnswer {
  /** Of HTTP; 0 where nobody answered in time, or hung up. */
  readonly status: number;
  /** Name of the error that S3 gives; empty where it gives none. */
  readonly code: string;
  readonly seconds: number;
}

/** Beyond what is kept in the tables of a head, and beyond what is written as copies. */
const objectBytes = 2 ** 20;

/** Asks S3 once, by `curl`: so it is seen what is answered, and when. */
export class StoreProbe {
  readonly #endpoint: string;
  readonly #scene: ArchiveScene;
  /** SHA-256 of what was acknowledged, by key. */
  readonly #known = new Map<string, string>();

  private constructor(scene: ArchiveScene, endpoint: string) {
    this.#scene = scene;
    this.#endpoint = endpoint;
  }

  static async open(scene: ArchiveScene): Promise<StoreProbe> {
    return new StoreProbe(scene, await storeEndpoint(scene));
  }

  /** Keys of objects whose writes were acknowledged. */
  get keys(): readonly string[] {
    return [...this.#known.keys()];
  }

  /** Writes an object whose chunks have shards on all machines of the store. @param timeoutSeconds then it hangs up */
  async put(key: string, timeoutSeconds: number): Promise<ProbeAnswer> {
    const path = this.#path('put');
    const content = randomBytes(objectBytes);
    await writeFile(path, content);
    const answer = await this.#ask(['--upload-file', path], key, timeoutSeconds);
    if (answer.status === 200) {
      this.#known.set(key, createHash('sha256').update(content).digest('hex'));
    }
    return answer;
  }

  /** Reads what was acknowledged. @throws when it has other bytes */
  async get(key: string, timeoutSeconds: number): Promise<ProbeAnswer> {
    const answer = await this.#ask([], key, timeoutSeconds);
    if (answer.status !== 200) return answer;
    const { sha256 } = await sumOfFile(this.#path('answer'), this.#scene.town.signal);
    must(sha256 === this.#known.get(key), `${key} has other bytes than were written`);
    return answer;
  }

  async #ask(words: readonly string[], key: string, timeoutSeconds: number): Promise<ProbeAnswer> {
    const { town, secrets } = this.#scene;
    town.signal.throwIfAborted();
    const path = this.#path('answer');
    await rm(path, { force: true });
    const startedMs = performance.now();
    const { status, stdout } = await run('curl', [
      ...['--silent', '--max-time', String(timeoutSeconds), '--output', path],
      ...['--write-out', '%{http_code}', '--aws-sigv4', 'aws:amz:us-east-1:s3'],
      ...['--user', `${secrets.accessKey}:${secrets.secretKey}`],
      ...['--header', 'x-amz-content-sha256: UNSIGNED-PAYLOAD', ...words],
      `${this.#endpoint}/${bucket}/${key}`,
    ]);
    const seconds = (performance.now() - startedMs) / 1_000;
    // Also one that broke off: whoever asked sees that something is missing.
    const code = status === 0 ? Number(stdout) : 0;
    return { status: code, code: code >= 400 ? await codeIn(path) : '', seconds };
  }

  #path(name: string): string {
    return join(dataFolder(this.#scene.town), `probe-${name}`);
  }
}

async function codeIn(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const [, code = ''] = /<Code>(\w+)<\/Code>/.exec(text) ?? [];
  return code;
}
