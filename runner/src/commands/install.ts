import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';

import { GridError } from '@commongrid/base';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';

import { printResult, resultCommand } from '../command-context.ts';
import type { CommandContext, JsonOption } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { lookAt } from '../one-machine-grid.ts';
import { UnitPlace } from '../system-unit/unit-place.ts';
import type { EnabledBy } from '../system-unit/unit-place.ts';
import { unitText } from '../system-unit/unit-text.ts';
import { parsePortBase } from './port-base-option.ts';

type PlaceOptions = JsonOption & {
  readonly user?: true;
  readonly name: string;
  readonly root: string;
};

type InstallOptions = PlaceOptions & { readonly dryRun?: true; readonly portBase?: number };

interface InstallReport {
  readonly schema: 'grid.install.1';
  readonly unit: string;
  readonly path: string;
  readonly text: string;
  /** Null when nothing was written. */
  readonly enabledBy: EnabledBy | null;
  /** What makes systemd start it at boot. */
  readonly link: string;
  /** Commands that are to be done by hand. */
  readonly next: readonly string[];
}

export function installCommand(context: CommandContext): Command {
  return placeCommand(context, 'install', 'Let systemd start the grid when the machine starts.')
    .option('--dry-run', 'print the unit, write nothing')
    .option(
      '--port-base <port>',
      'the ports from here on; default: those that the grid uses now',
      parsePortBase,
    )
    .action(async (options: InstallOptions) => {
      const report = await install(context, options);
      printResult(context, options, report, describeInstall);
    });
}

export function uninstallCommand(context: CommandContext): Command {
  return placeCommand(context, 'uninstall', 'Take the unit of `grid install` away again.').action(
    async (options: PlaceOptions) => {
      const { home } = context.environment;
      const place = placeOf(context, options);
      if ((await place.read(home)) === undefined) throw unitUnknown(place.path);
      const by = await place.disable();
      const { unit, path } = place;
      const result = { schema: 'grid.uninstall.1', unit, path, by };
      printResult(context, options, result, () =>
        [`${path} is taken away`, 'what runs goes on until ./grid down'].join('\n'),
      );
    },
  );
}

function placeCommand(context: CommandContext, name: string, description: string): Command {
  return resultCommand(name, description)
    .option('--user', 'for the systemd of your user: it runs what needs no root')
    .option(
      '--name <name>',
      'of the unit, where a machine has several grids',
      parseName,
      'commongrid',
    )
    .option('--root <folder>', 'where the files of the machine are, for an image of one', '/')
    .addHelpText('after', `\nThe grid is that of GRID_HOME: ${context.environment.home}`);
}

async function install(context: CommandContext, options: InstallOptions): Promise<InstallReport> {
  const { home, logLevel } = context.environment;
  const place = placeOf(context, options);
  const isUser = options.user === true;
  const portBase = options.portBase ?? (await lookAt(home)).state?.portBase ?? undefined;
  const program = join(context.root, 'grid');
  const text = unitText({ program, home, logLevel, portBase, isUser });
  const { unit, path, link } = place;
  const isDry = options.dryRun === true;
  if (!isDry) await place.read(home);
  const enabledBy = isDry ? null : await place.enable(text);
  const next = isDry ? [] : nextSteps(place, isUser);
  return { schema: 'grid.install.1', unit, path, text, enabledBy, link, next };
}

/** @throws GRID_ROOT_NEEDED for units of the machine */
function placeOf({ environment }: CommandContext, options: PlaceOptions): UnitPlace {
  const { user, name } = options;
  const root = resolve(options.root);
  if (user !== true && root === '/' && !environment.isRoot) {
    const message = 'units of the machine are for root to write';
    throw new GridError<GridErrorCode>('GRID_ROOT_NEEDED', message, {
      hint: 'run it as root, or say --user',
    });
  }
  return new UnitPlace({ name, root, userConfig: user && environment.userConfig });
}

function nextSteps({ unit, isLive }: UnitPlace, isUser: boolean): readonly string[] {
  if (!isLive) return [];
  const { username } = userInfo();
  const lingers = existsSync(join('/var/lib/systemd/linger', username));
  return [
    ...(isUser && !lingers ? [`loginctl enable-linger ${username}`] : []),
    './grid down',
    `systemctl ${isUser ? '--user ' : ''}start ${unit}`,
  ];
}

function describeInstall({ path, text, enabledBy, link, next }: InstallReport): string {
  if (enabledBy === null) return text.trimEnd();
  return [
    `${path} is written`,
    `enabled by ${enabledBy === 'link' ? 'this link' : 'systemctl'}: ${link}`,
    ...(next.length === 0 ? ['it starts when systemd does'] : ['', 'to start it now:']),
    ...next.map((line) => `  ${line}`),
  ].join('\n');
}

function parseName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(text)) return text;
  throw new InvalidArgumentError('letters, digits, - and _');
}

function unitUnknown(path: string): GridError<GridErrorCode> {
  return new GridError('GRID_UNIT_UNKNOWN', `there is no unit ${path}`, {
    hint: './grid install writes one',
    details: { path },
  });
}
