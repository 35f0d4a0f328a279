import { formatBytes, GridError } from '@commongrid/base';
import type { Command } from 'commander';

import { backupNames, timeOf } from '../backup/backup-manifest.ts';
import { openBackupPlace } from '../backup/backup-place.ts';
import type { BackupPlace } from '../backup/backup-place.ts';
import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { GridHome } from '../home.ts';
import { counted, withProgress } from '../terminal.ts';
import { describeBackup, openerOptions } from './restore.ts';
import type { OpenerFlags } from './restore.ts';
import { parseCount } from './bcdb/options.ts';
import { readSecret } from './zdb/connection.ts';

type BackupFlags = JsonOption &
  OpenerFlags & {
    readonly full?: true;
    readonly keep?: number;
    readonly list?: true;
    readonly verify?: true;
  };

export function backupCommand(context: CommandContext): Command {
  const command = resultCommand(
    'backup',
    'Put all of the grid of this machine elsewhere, encrypted; it may run meanwhile.',
  )
    .argument('<place>', 'a folder, or s3://BUCKET/PREFIX with the usual AWS_ variables')
    .option('--full', 'store everything anew, also what earlier backups have')
    .option('--keep <n>', 'then remove all but the newest n backups there', parseCount)
    .option('--list', 'show what backups there are')
    .option('--verify', 'read all of a backup and hold it to its hashes');
  return openerOptions(command)
    .addHelpText(
      'after',
      '\nThe words of the owner open it; with --passphrase-file that does, too, from now on. Of later' +
        '\nbackups to the same place only what changed is stored. Nodes, and what runs on them, are not in it.',
    )
    .action(async (target: string, flags: BackupFlags) => {
      requireFitting(flags);
      const place = await openBackupPlace(target, context.environment);
      if (flags.list === true) await list(context, flags, place);
      else if (flags.verify === true) await verify(context, flags, place);
      else await make(context, flags, place);
    });
}

/** What a command would not heed is refused. @throws GRID_USAGE */
function requireFitting(flags: BackupFlags): void {
  const {
    full,
    keep,
    list: isList,
    verify: isVerify,
    wordsFile,
    card,
    passphraseFile,
    backup,
  } = flags;
  const opens = { '--words-file': wordsFile, '--card': card, '--backup': backup };
  const ofMaking = { '--full': full, '--keep': keep };
  const ofList = { '--verify': isVerify, ...ofMaking, '--passphrase-file': passphraseFile };
  const rest = isVerify === true ? ofMaking : opens;
  const unheeded = isList === true ? { ...opens, ...ofList } : rest;
  const [first] = Object.entries(unheeded).find(([, value]) => value !== undefined) ?? [];
  if (first === undefined) return;
  throw new GridError<GridErrorCode>('GRID_USAGE', `${first} says nothing to what is asked`, {
    hint: 'grid backup --help',
  });
}

async function make(
  context: CommandContext,
  flags: BackupFlags,
  place: BackupPlace,
): Promise<void> {
  const { backupGrid } = await import('../backup/backup-grid.ts');
  const { passphraseFile, keep } = flags;
  const passphrase = passphraseFile === undefined ? undefined : await readSecret(passphraseFile);
  const work = backupGrid(context, place, { passphrase, keep, isFull: flags.full === true });
  const made = await withProgress(context.terminal, 'backing up', work);
  const result = { schema: 'grid.backup.made.1', place: place.name, ...made };
  printResult(context, flags, result, () => {
    const { name, files, sizeBytes, storedBytes, records, removed } = made;
    return [
      `${name} at ${place.name}`,
      `${counted(files, 'file')}, ${formatBytes(sizeBytes)}, ${formatBytes(storedBytes)} of it stored now; ${counted(records, 'record')} of the log`,
      ...(removed.backups === 0 ? [] : [`${counted(removed.backups, 'older backup')} removed`]),
      'Nodes of other machines, and what runs on nodes, are not in it.',
    ].join('\n');
  });
}

async function list(
  context: CommandContext,
  flags: BackupFlags,
  place: BackupPlace,
): Promise<void> {
  const names = await backupNames(place);
  const backups = names.map((name) => ({ name, atMs: timeOf(name) }));
  const result = { schema: 'grid.backup.list.1', place: place.name, backups };
  printResult(context, flags, result, () => {
    return names.length === 0 ? `no whole backup is at ${place.name}` : names.join('\n');
  });
}

async function verify(
  context: CommandContext,
  flags: BackupFlags,
  place: BackupPlace,
): Promise<void> {
  const { openBackup, verifyBackup } = await import('../backup/open-backup.ts');
  const home = new GridHome(context.environment.home);
  const opened = await openBackup(place, home, flags);
  await withProgress(context.terminal, 'verifying', verifyBackup(opened));
  const facts = describeBackup(opened);
  const result = { schema: 'grid.backup.verify.1', place: place.name, ...facts };
  printResult(context, flags, result, () => {
    return `${facts.name} is whole: ${counted(facts.files, 'file')}, ${formatBytes(facts.sizeBytes)}, ${counted(facts.records, 'record')} of the log`;
  });
}
