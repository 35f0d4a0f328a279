import { readFile } from 'node:fs/promises';

import { formatBytes } from '@commongrid/base';
import type { Command } from 'commander';

import { openBackupPlace } from '../backup/backup-place.ts';
import type { OpenBackup, OpenOptions } from '../backup/open-backup.ts';
import type { RestoredGrid } from '../backup/restore-grid.ts';
import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import { counted, formatTable, withProgress } from '../terminal.ts';

/** How a backup is opened, and which. */
export type OpenerFlags = OpenOptions;

type RestoreFlags = JsonOption & OpenerFlags & { readonly dryRun?: true; readonly known?: string };

export function restoreCommand(context: CommandContext): Command {
  const command = resultCommand(
    'restore',
    'Make a grid be on this machine again, out of a backup; GRID_HOME has to be empty.',
  )
    .argument('<place>', 'where `grid backup` put it: a folder, or s3://BUCKET/PREFIX')
    .option('--dry-run', 'only say what it has')
    .option('--known <file>', 'newest checkpoint that anybody kept of records that are lost');
  return openerOptions(command)
    .addHelpText(
      'after',
      '\nThe log goes on under a new key, by a handover: nobody believes the grid that it was any more.' +
        '\nEnd that one first, if it still runs; what it wrote since the backup is lost.',
    )
    .action(async (target: string, flags: RestoreFlags) => {
      const place = await openBackupPlace(target, context.environment);
      const { openBackup } = await import('../backup/open-backup.ts');
      const { requireEmpty, restoreGrid } = await import('../backup/restore-grid.ts');
      const { home } = context.environment;
      if (flags.dryRun !== true) await requireEmpty(home);
      const opened = await openBackup(place, undefined, flags);
      if (flags.dryRun === true) {
        printContents(context, flags, opened);
        return;
      }
      const { known: file } = flags;
      const known = file === undefined ? undefined : await readFile(file, 'utf8');
      const work = restoreGrid(home, opened, { known });
      const restored = await withProgress(context.terminal, 'restoring', work);
      const result = { schema: 'grid.restore.1', home, ...describeBackup(opened), ...restored };
      printResult(context, flags, result, () => describe(home, opened, restored));
    });
}

/** What opens a backup, and which one. */
export function openerOptions(command: Command): Command {
  return command
    .option('--words-file <file>', 'the 24 words of the owner')
    .option('--card <file>', 'or his recovery card')
    .option('--passphrase-file <file>', 'or the passphrase')
    .option('--backup <name>', 'not the newest, but this one of `grid backup PLACE --list`');
}

/** What programs are told of a backup. */
export function describeBackup({ name, manifest }: OpenBackup): {
  readonly name: string;
  readonly atMs: number;
  readonly log: string;
  readonly files: number;
  readonly sizeBytes: number;
  readonly records: number;
} {
  const { atMs, log, files, ledger } = manifest;
  const sizeBytes = [ledger, ...files].reduce((sum, one) => sum + one.sizeBytes, 0);
  return { name, atMs, log, files: files.length, sizeBytes, records: ledger.records };
}

function printContents(context: CommandContext, flags: RestoreFlags, opened: OpenBackup): void {
  const parts = new Map<string, { files: number; sizeBytes: number }>();
  for (const { path, sizeBytes } of opened.manifest.files) {
    const [part = ''] = path.split('/');
    const sum = parts.get(part) ?? { files: 0, sizeBytes: 0 };
    parts.set(part, { files: sum.files + 1, sizeBytes: sum.sizeBytes + sizeBytes });
  }
  const facts = describeBackup(opened);
  const result = { schema: 'grid.restore.plan.1', ...facts, parts: Object.fromEntries(parts) };
  printResult(context, flags, result, () => {
    const rows = [...parts].map(([part, { files, sizeBytes }]) => {
      return [part, counted(files, 'file'), formatBytes(sizeBytes)];
    });
    const log = [
      'bcdb',
      counted(facts.records, 'record'),
      formatBytes(opened.manifest.ledger.sizeBytes),
    ];
    return `${facts.name}\n${formatTable([log, ...rows])}`;
  });
}

function describe(home: string, { name, manifest }: OpenBackup, restored: RestoredGrid): string {
  const { portBase } = manifest;
  const up = `./grid up${portBase === null ? '' : ` --port-base ${portBase}`}`;
  return [
    `${name} is in ${home}: ${counted(restored.records, 'record')} of the log`,
    restored.sequencer === undefined
      ? `its admins have to sign a handover first: ./grid bcdb handover --data ${home}/bcdb --statement FILE`
      : `${restored.sequencer} signs the log from here on`,
    'Never start the grid again that it was.',
    `next: GRID_HOME=${home} ${up}`,
  ].join('\n');
}
