import { formatBytes, parseBytes } from '@commongrid/base';
import type { BucketReport } from '@commongrid/s3';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { formatTable } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { askForAll, askHead, headCommand } from './head.ts';
import type { HeadOptions } from './head.ts';

type QuotaOptions = HeadOptions & {
  /** `null`: no limit. */
  readonly bytes?: number | null;
  readonly objects?: number | null;
};

export function s3BucketsCommand(context: CommandContext): Command {
  return headCommand('buckets', 'List the buckets of all users, with what is in them.').action(
    async (options: HeadOptions) => {
      const buckets = await askForAll(context, options, 's3.buckets', (page) => {
        return (page as { buckets: readonly BucketReport[] }).buckets;
      });
      const result = { schema: 'grid.s3.buckets.1', buckets };
      printResult(context, options, result, () => describeBuckets(buckets));
    },
  );
}

export function s3QuotaCommand(context: CommandContext): Command {
  return headCommand('quota', 'Set how much a bucket may hold, and show it.')
    .argument('<bucket>', 'its name')
    .option('--bytes <size>', 'of all versions and parts of uploads, such as 10GiB, or none', limit)
    .option('--objects <n>', 'versions, or none', countLimit)
    .action(async (bucket: string, options: QuotaOptions) => {
      const { bytes, objects } = options;
      const report = await askHead<BucketReport>(context, options, 's3.quota', {
        bucket,
        ...(bytes === undefined ? {} : { bytes }),
        ...(objects === undefined ? {} : { objects }),
      });
      const result = { schema: 'grid.s3.quota.1', ...report };
      printResult(context, options, result, () => describeQuota(report));
    });
}

function describeBuckets(buckets: readonly BucketReport[]): string {
  if (buckets.length === 0) return 'there is no bucket';
  return formatTable(
    buckets.map((bucket) => [
      bucket.name,
      bucket.owner,
      formatTime(bucket.createdMs),
      `${bucket.objects} objects`,
      formatBytes(bucket.bytes),
      bucket.uploadBytes === 0 ? '' : `${formatBytes(bucket.uploadBytes)} of uploads`,
      bucket.isLockable ? 'object lock' : bucket.versioning === 'off' ? '' : 'versions',
    ]),
  );
}

function describeQuota(report: BucketReport): string {
  const { name, objects, bytes, uploadBytes, quotaBytes, quotaObjects } = report;
  const most = (limited: string | undefined): string => limited ?? 'any number';
  const size = quotaBytes === null ? undefined : formatBytes(quotaBytes);
  return [
    `${name} has ${objects} objects of ${most(quotaObjects?.toString())}`,
    `${formatBytes(bytes + uploadBytes)} of ${size ?? 'any size'}`,
  ].join(', ');
}

function limit(text: string): number | null {
  if (text === 'none') return null;
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError('give a size such as 10GiB, or none');
  }
}

function countLimit(text: string): number | null {
  if (text === 'none') return null;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number, or none');
}
