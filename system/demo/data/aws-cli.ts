import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { isGridError, runProgram } from '@commongrid/base';

import type { S3Access } from './rclone.ts';

/** For one object, ms. */
const timeoutMs = 300_000;
/** As Debian has it: another one in the path may be of a Python that is not there. */
const program = '/usr/bin/aws';

/**
 * Uploads a file with the client of AWS, and downloads it again, both with its own settings.
 * @param to where nothing is @returns its version; undefined where this machine has none
 * @throws BASE_PROGRAM_FAILED, BASE_ABORTED
 */
export async function roundTrip(
  { endpoint, accessKey, secretKey, bucket, home, signal }: S3Access,
  from: string,
  to: string,
): Promise<string | undefined> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const env = {
    ...{ PATH: process.env['PATH'] ?? '', HOME: home, AWS_DEFAULT_REGION: 'us-east-1' },
    ...{ AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey },
  };
  const aws = (...words: readonly string[]): Promise<string> =>
    runProgram(program, words, { env, timeoutMs, signal });
  const copy = (source: string, target: string): Promise<string> =>
    aws('--endpoint-url', endpoint, 's3', 'cp', '--only-show-errors', source, target);
  try {
    const [version = ''] = (await aws('--version')).split(' ');
    const object = `s3://${join(bucket, 'by-aws')}`;
    await copy(from, object);
    await copy(object, to);
    return version;
  } catch (error) {
    if (isGridError(error, 'BASE_PROGRAM_MISSING')) return undefined;
    throw error;
  }
}
