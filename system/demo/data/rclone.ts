import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { isGridError, runProgram } from '@commongrid/base';

/** For a single object, ms: nothing that is well takes so long. */
const objectTimeoutMs = 300_000;
/** For all of them, ms. */
const allTimeoutMs = 1_800_000;

/** What a client of S3 has to know. */
export interface S3Access {
  /** `http://HOST:PORT` */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly bucket: string;
  /** Of the client alone: it finds no settings of anybody there. */
  readonly home: string;
  readonly signal: AbortSignal;
}

/**
 * The client rclone as Debian has it, with its own settings for everything: how often it tries again, how long it waits, parts of
 * big files. It is told where S3 is, and which key to use.
 */
export class Rclone {
  readonly #options: S3Access;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(options: S3Access) {
    const { endpoint, accessKey, secretKey, home } = options;
    this.#options = options;
    this.#env = {
      ...{ PATH: process.env['PATH'] ?? '', HOME: home },
      ...{ RCLONE_CONFIG_S3_TYPE: 's3', RCLONE_CONFIG_S3_PROVIDER: 'Other' },
      ...{ RCLONE_CONFIG_S3_ENDPOINT: endpoint, RCLONE_CONFIG_S3_REGION: 'us-east-1' },
      RCLONE_CONFIG_S3_ACCESS_KEY_ID: accessKey,
      RCLONE_CONFIG_S3_SECRET_ACCESS_KEY: secretKey,
    };
  }

  /** Makes its bucket as well. @throws BASE_PROGRAM_MISSING, BASE_PROGRAM_FAILED, BASE_ABORTED */
  static async open(options: S3Access): Promise<Rclone> {
    await mkdir(options.home, { recursive: true, mode: 0o700 });
    const client = new Rclone(options);
    await client.#run(['mkdir', client.#at('')], objectTimeoutMs);
    return client;
  }

  /** Uploads a folder, with what is linked in there. Throws as `read`. */
  async load(folder: string): Promise<void> {
    await this.#run(['copy', '--copy-links', folder, this.#at('')], allTimeoutMs);
  }

  /**
   * Downloads an object to a path at which nothing is. It is named in a list: where S3 does not answer in time rclone takes
   * the address of an object for that of a folder, and says nothing.
   * @throws BASE_PROGRAM_FAILED, BASE_ABORTED, and the error of the system where it got nothing
   */
  async read(key: string, path: string): Promise<void> {
    const [list, folder] = [`${path}.list`, `${path}.folder`];
    await rm(folder, { recursive: true, force: true });
    await writeFile(list, `${key}\n`);
    const words = ['copy', '--files-from-raw', list, '--no-traverse', this.#at(''), folder];
    await this.#run(words, objectTimeoutMs);
    await rename(join(folder, key), path);
  }

  /** Uploads a file. Throws as `read`. */
  async write(path: string, key: string): Promise<void> {
    await this.#run(['copyto', path, this.#at(key)], objectTimeoutMs);
  }

  /** Removes an object, also one that a former try removed. Throws as `read`. */
  async remove(key: string): Promise<void> {
    try {
      await this.#run(['deletefile', this.#at(key)], objectTimeoutMs);
    } catch (error) {
      const isGone = isGridError(error, 'BASE_PROGRAM_FAILED') && /not found/.test(error.message);
      if (!isGone) throw error;
    }
  }

  /** Downloads everything. @returns SHA-256 by key, hex; throws as `read` */
  async sums(): Promise<ReadonlyMap<string, string>> {
    const text = await this.#run(['hashsum', 'SHA256', '--download', this.#at('')], allTimeoutMs);
    const lines = text.split('\n').filter((line) => line !== '');
    return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
  }

  #at(key: string): string {
    return `s3:${join(this.#options.bucket, key)}`;
  }

  #run(words: readonly string[], timeoutMs: number): Promise<string> {
    const { signal } = this.#options;
    return runProgram('rclone', words, { env: this.#env, timeoutMs, signal });
  }
}

/** As it tells its name. @throws BASE_PROGRAM_MISSING where this machine has none, BASE_ABORTED */
export async function rcloneVersion(signal: AbortSignal): Promise<string> {
  const [line = ''] = (await runProgram('rclone', ['version'], { signal })).split('\n');
  return line.replace(/ v/, ' ');
}
