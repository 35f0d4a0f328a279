import { mkdir } from 'node:fs/promises';

import { GridError } from '@commongrid/base';
import type { S3Key } from '@commongrid/threebot';
import type { Command } from 'commander';

import type { RecoveryOptions } from '../../bot-recovery/recovery-origin.ts';
import type { Recovered } from '../../bot-recovery/recover-bot.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { turnIn } from '../../turn-in.ts';
import { parseHash, parseKey } from '../bcdb/connection.ts';
import { readJsonFile } from '../bcdb/value-input.ts';
import { parseDoor } from '../bcdb/options.ts';
import { botFolderOf, botSubcommand } from './bot-options.ts';
import type { BotOptions } from './bot-options.ts';

type Options = BotOptions &
  RecoveryOptions & {
    readonly from?: readonly string[];
    readonly end?: readonly string[];
    readonly s3Key?: string;
    readonly lost?: true;
    readonly acceptOlder?: true;
    readonly withoutBackup?: true;
  };

export function botRecoverCommand(context: CommandContext): Command {
  return botSubcommand('recover', 'Bring a bot back on an empty machine, by its recovery card.')
    .option('--card <file>', 'the card, as `grid bot card` printed it')
    .option('--words-file <file>', 'or its 24 words, with --log and --url')
    .option('--log <hash>', 'the log that it lives by', parseHash)
    .option('--url <url>', 'HTTP door of its database', parseDoor)
    .option(
      '--from <place...>',
      'files or URLs with its backup, before those that its record names',
    )
    .option('--s3-key <file>', 'a key to its S3, where not everybody may read the backup there')
    .option(
      '--lost',
      'somebody else may have its old keys: what they approved does not count either',
    )
    .option('--end <key...>', 'further keys that may not act for it any more', addKey)
    .option('--accept-older', 'take an older backup where the newest is nowhere')
    .option(
      '--without-backup',
      'go on without one: tables, settings and contracts are not restored',
    )
    .action(async (name: string, options: Options) => {
      const [{ openOrigin }, { recoverBot }] = await Promise.all([
        import('../../bot-recovery/recovery-origin.ts'),
        import('../../bot-recovery/recover-bot.ts'),
      ]);
      const folder = botFolderOf(context, name, options);
      await mkdir(folder.path, { recursive: true, mode: 0o700 });
      await using _turn = await turnIn(folder.path);
      const recovered = await recoverBot(folder, await openOrigin(options), {
        ...{ name, from: options.from ?? [], end: options.end ?? [] },
        isLost: options.lost === true,
        isOlderAccepted: options.acceptOlder === true,
        withoutBackup: options.withoutBackup === true,
        s3Key: options.s3Key === undefined ? undefined : await readS3Key(options.s3Key),
      });
      const result = { schema: 'grid.bot.recover.1', name, folder: folder.path, ...recovered };
      printResult(context, options, result, () => describe(name, recovered));
    });
}

/** A key as `grid s3 keys add` prints it. @throws GRID_FILE_UNREADABLE */
async function readS3Key(file: string): Promise<S3Key> {
  const given = ((await readJsonFile(file)) ?? {}) as unknown as Partial<S3Key>;
  const { endpoint, region, accessKey, secretKey } = given;
  const isKey = [endpoint, region, accessKey, secretKey].every((one) => typeof one === 'string');
  if (isKey && URL.canParse(endpoint ?? '')) {
    return { endpoint, region, accessKey, secretKey } as S3Key;
  }
  throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `${file} is no key to an S3`, {
    hint: 'give what grid s3 keys add --json prints',
    details: { file },
  });
}

function describe(name: string, recovered: Recovered): string {
  const { id, backup, fileCount, ended, others } = recovered;
  const made = backup === null ? '' : new Date(backup.atMs).toISOString();
  return [
    `${name} is ${id}, and is here again`,
    backup === null
      ? '  without a backup: tables, settings and contracts are new'
      : `  ${fileCount} files of ${made}${backup.isNewest ? '' : ', an older backup'}, from ${backup.place}`,
    ...ended.map((key) => `  ended: ${key}`),
    ...others.map((key) => `  still acts for it: ${key}; if you lost it: grid bcdb bot end-key`),
    `next: grid bot start ${name}`,
  ].join('\n');
}

function addKey(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, parseKey(text)];
}
