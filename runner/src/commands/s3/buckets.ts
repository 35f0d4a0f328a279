import { formatBytes } from '@commongrid/base';
import type { BucketReport } from '@commongrid/s3';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted, formatTable } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';
import { askForAll, askHead, headCommand } from './head.ts';
import type { HeadOptions } from './head.ts';
import { orderedLimit, parseCountLimit, parseSizeLimit } from './quota-limit.ts';
import type { QuotaLimit } from './quota-limit.ts';

type QuotaOptions = HeadOptions & {
  readonly bytes?: QuotaLimit;
  readonly objects?: QuotaLimit;
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
    .option(
      '--bytes <size>',
      'of all versions and parts of uploads, such as 10GiB, or none',
      parseSizeLimit,
    )
    .option('--objects <n>', 'versions, or none', parseCountLimit)
    .action(async (bucket: string, options: QuotaOptions) => {
      const { bytes, objects } = options;
      const report = await askHead<BucketReport>(context, options, 's3.quota', {
        bucket,
        ...(bytes === undefined ? {} : { bytes: orderedLimit(bytes) }),
        ...(objects === undefined ? {} : { objects: orderedLimit(objects) }),
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
      counted(bucket.objects, 'object'),
      formatBytes(bucket.bytes),
      bucket.uploadBytes === 0 ? '' : `${formatBytes(bucket.uploadBytes)} of uploads`,
      bucket.isLockable ? 'object lock' : bucket.versioning === 'off' ? '' : 'versions',
    ]),
  );
}

function describeQuota(report: BucketReport): string {
  const { name, objects, bytes, uploadBytes, quotaBytes, quotaObjects } = report;
  const mostBytes = quotaBytes === null ? 'any size' : formatBytes(quotaBytes);
  const mostObjects = quotaObjects === null ? 'any number' : String(quotaObjects);
  return [
    `${name} has ${counted(objects, 'object')} (may have ${mostObjects})`,
    `${formatBytes(bytes + uploadBytes)} (may have ${mostBytes})`,
  ].join(' and ');
}
