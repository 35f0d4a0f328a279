import { formatBytes } from '@commongrid/base';
import type { FsckReport, StatReport } from '@commongrid/s3';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { counted, formatTable, withProgress } from '../../terminal.ts';
import { describeBackends } from '../describe-backends.ts';
import { askHead, headCommand } from './head.ts';
import type { HeadOptions } from './head.ts';

export function s3StatCommand(context: CommandContext): Command {
  return headCommand('stat', 'Tell what is stored, and how the backends are.').action(
    async (options: HeadOptions) => {
      const stat = await askHead<StatReport>(context, options, 's3.stat');
      const result = { schema: 'grid.s3.stat.1', ...stat };
      printResult(context, options, result, () => describeStat(stat));
    },
  );
}

export function s3FsckCommand(context: CommandContext): Command {
  return headCommand('fsck', 'Check what is known of buckets against what is known of shards.')
    .addHelpText(
      'after',
      '\nThe head goes on serving. Exit status 0 when all fits, 1 when something does not.',
    )
    .option('--accept', 'of a store that was rebuilt: what is there is right, deleting may go on')
    .action(async (options: HeadOptions & { readonly accept?: true }) => {
      const args = { isAccepted: options.accept === true };
      const work = askHead<FsckReport>(context, options, 's3.fsck', args);
      const report = await withProgress(context.terminal, 'checking', work);
      if (!report.isSound) context.exitStatus = 1;
      const result = { schema: 'grid.s3.fsck.1', ...report };
      printResult(context, options, result, () => describeFsck(report));
    });
}

function describeStat(stat: StatReport): string {
  const { endpoint, region, buckets, objects, bytes, uploadBytes, users, care } = stat;
  const uploads = uploadBytes === 0 ? '' : `, ${formatBytes(uploadBytes)} of uploads`;
  const { missingShards, pending, unreadableChunks } = care;
  const chunks = counted(care.chunks, 'chunk');
  return [
    `${endpoint}, region ${region}, ${counted(users, 'user')}`,
    ...(stat.isServing ? [] : [notServing]),
    `${counted(buckets, 'bucket')}, ${counted(objects, 'object')}, ${formatBytes(bytes)}${uploads}`,
    missingShards === 0
      ? `nothing was missing in ${chunks} when they were last looked through`
      : `${counted(missingShards, 'shard')} of ${chunks} were missing when they were last looked through`,
    ...(pending === 0 ? [] : [`${counted(pending, 'chunk')} are being repaired`]),
    ...(unreadableChunks === 0 ? [] : [`${counted(unreadableChunks, 'chunk')} cannot be read now`]),
    ...(stat.isRebuilt ? [rebuilt] : []),
    ...(stat.datesProblem === null ? [] : [`nothing is deleted by date: ${stat.datesProblem}`]),
    describeBackends(care.backends),
  ].join('\n');
}

function describeFsck(report: FsckReport): string {
  const { versions, blobs, chunks, counts, findings, isSound, isAccepted } = report;
  const looked = `${versions} versions, ${blobs} blobs and ${chunks} chunks were looked at`;
  const kinds = Object.entries(counts).map(([kind, count]) => [kind, String(count)]);
  return [
    isSound ? `${looked}: all fits` : `${looked}\n${formatTable(kinds)}`,
    ...findings.map(({ text }) => `- ${text}`),
    ...(report.isRebuilt ? [rebuilt] : []),
    ...(isAccepted ? ['what was rebuilt is accepted: deleting goes on'] : []),
  ].join('\n');
}

const notServing =
  'this head does not serve: too few members of the log answer, or another head took over';
const rebuilt =
  'the store was rebuilt: nothing is deleted until that is accepted, with grid s3 fsck --accept';
