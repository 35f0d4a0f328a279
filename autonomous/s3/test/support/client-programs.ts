import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { accessKey, secretKey } from '../signed-request.ts';
import { clientVariables } from './client-variables.ts';

const outputBytesMax = 16 * 2 ** 20;
const execute = promisify(execFile);

/** Runs a program in an environment of its own; what it prints on stdout. */
export async function runClient(
  program: string,
  words: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<string> {
  const env = clientVariables(variables);
  const { stdout } = await execute(program, words, { env, maxBuffer: outputBytesMax });
  return stdout;
}

/** What a program does for files and folders. Names of buckets are its own. */
export interface ClientProgram {
  makeBucket(bucket: string): Promise<unknown>;
  /** In parts, when it is large. */
  upload(file: string, bucket: string, key: string): Promise<unknown>;
  download(bucket: string, key: string, file: string): Promise<unknown>;
  uploadTree(folder: string, bucket: string, prefix: string): Promise<unknown>;
  downloadTree(bucket: string, prefix: string, folder: string): Promise<unknown>;
  /** All keys. */
  list(bucket: string): Promise<string[]>;
  /** All objects, and then the bucket. */
  removeBucket(bucket: string): Promise<unknown>;
}

export function awsProgram(port: number, home: string): ClientProgram {
  const url = `http://127.0.0.1:${port}`;
  const aws = (...words: string[]): Promise<string> =>
    runClient('/usr/bin/aws', ['--endpoint-url', url, 's3', ...words], { HOME: home });
  return {
    makeBucket: (bucket) => aws('mb', `s3://${bucket}`),
    upload: (file, bucket, key) => aws('cp', '--quiet', file, `s3://${bucket}/${key}`),
    download: (bucket, key, file) => aws('cp', '--quiet', `s3://${bucket}/${key}`, file),
    uploadTree: (folder, bucket, prefix) =>
      aws('sync', '--quiet', folder, `s3://${bucket}/${prefix}`),
    downloadTree: (bucket, prefix, folder) =>
      aws('sync', '--quiet', `s3://${bucket}/${prefix}`, folder),
    list: async (bucket) =>
      // Date, time, size, key.
      linesOf(await aws('ls', '--recursive', `s3://${bucket}`)).map((line) => line.slice(31)),
    removeBucket: (bucket) => aws('rb', '--force', `s3://${bucket}`),
  };
}

export function rcloneProgram(port: number, home: string): ClientProgram {
  const url = `http://127.0.0.1:${port}`;
  const remote = `:s3,provider=Other,env_auth=true,region=us-east-1,endpoint='${url}':`;
  const parts = ['--s3-upload-cutoff=8M', '--s3-chunk-size=8M'];
  const rclone = (...words: string[]): Promise<string> =>
    runClient('rclone', [...words, ...parts], { HOME: home });
  return {
    makeBucket: (bucket) => rclone('mkdir', `${remote}${bucket}`),
    upload: (file, bucket, key) => rclone('copyto', file, `${remote}${bucket}/${key}`),
    download: (bucket, key, file) => rclone('copyto', `${remote}${bucket}/${key}`, file),
    uploadTree: async (folder, bucket, prefix) => {
      const sync = (...more: string[]): Promise<string> =>
        rclone('sync', folder, `${remote}${bucket}/${prefix}`, ...more);
      await sync();
      const again = join(home, 'again.log');
      await sync('--log-level=INFO', `--log-file=${again}`);
      return again;
    },
    downloadTree: (bucket, prefix, folder) =>
      rclone('copy', `${remote}${bucket}/${prefix}`, folder),
    list: async (bucket) =>
      linesOf(await rclone('lsf', '--recursive', '--files-only', `${remote}${bucket}`)),
    removeBucket: (bucket) => rclone('purge', `${remote}${bucket}`),
  };
}

export function s3cmdProgram(port: number, home: string): ClientProgram {
  const host = [`--host=127.0.0.1:${port}`, `--host-bucket=127.0.0.1:${port}`, '--no-ssl'];
  const keys = [`--access_key=${accessKey}`, `--secret_key=${secretKey}`];
  const s3cmd = (...words: string[]): Promise<string> =>
    runClient('s3cmd', [...keys, ...host, '--no-progress', ...words], { HOME: home });
  return {
    makeBucket: (bucket) => s3cmd('mb', `s3://${bucket}`),
    upload: (file, bucket, key) => s3cmd('put', file, `s3://${bucket}/${key}`),
    download: (bucket, key, file) => s3cmd('get', `s3://${bucket}/${key}`, file),
    uploadTree: (folder, bucket, prefix) =>
      s3cmd('sync', `${folder}/`, `s3://${bucket}/${prefix}/`),
    downloadTree: (bucket, prefix, folder) =>
      s3cmd('sync', `s3://${bucket}/${prefix}/`, `${folder}/`),
    list: async (bucket) =>
      linesOf(await s3cmd('ls', '--recursive', `s3://${bucket}`)).map((line) =>
        line.replace(/^.*?s3:\/\/[^/]*\//, ''),
      ),
    removeBucket: async (bucket) => {
      await s3cmd('del', '--recursive', '--force', `s3://${bucket}`);
      await s3cmd('rb', `s3://${bucket}`);
    },
  };
}

/** A backup program: its repository is a bucket, encrypted by itself. */
export function resticProgram(port: number, home: string): (...words: string[]) => Promise<string> {
  const variables = {
    HOME: home,
    RESTIC_REPOSITORY: `s3:http://127.0.0.1:${port}/restic`,
    RESTIC_PASSWORD: 'a password',
    RESTIC_CACHE_DIR: join(home, 'restic-cache'),
  };
  return (...words) => runClient('restic', words, variables);
}

/** A bucket as a folder, until it is disposed of. */
export async function mountBucket(
  port: number,
  home: string,
  bucket: string,
  folder: string,
): Promise<AsyncDisposable> {
  const passwordFile = join(home, 's3fs-password');
  await writeFile(passwordFile, `${accessKey}:${secretKey}`, { mode: 0o600 });
  const options = [
    `passwd_file=${passwordFile}`,
    `url=http://127.0.0.1:${port}`,
    ...['use_path_request_style', 'multipart_size=8', 'endpoint=us-east-1', 'retries=2'],
  ];
  const words = [bucket, folder, ...options.flatMap((option) => ['-o', option])];
  await runClient('s3fs', words, { HOME: home });
  // Fails when nothing is mounted there.
  await readdir(folder);
  return {
    [Symbol.asyncDispose]: async () => {
      await runClient('fusermount', ['-u', '-z', folder]);
    },
  };
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
