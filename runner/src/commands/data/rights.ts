import { idPatterns } from '@commongrid/model';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { readJsonFile } from '../bcdb/value-input.ts';
import { askData, dataSubcommand } from './data-bot.ts';
import type { DataOptions } from './data-bot.ts';

/** What an app may do below a path. */
interface Right {
  readonly path: string;
  readonly rights: readonly string[];
}

const standings = ['public', 'known', 'circle', 'admin', 'owner'];

export function dataDefineCommand(context: CommandContext): Command {
  return dataSubcommand('define', 'Make a collection of records of one type.')
    .argument('<collection>', 'its name: the first part of addresses')
    .argument('<type>', 'such as grid.note.1, grid.contact.1, grid.task.1, or one of your own')
    .argument('[schema]', 'of a type of your own: a file of JSON Schema; - for stdin')
    .action(
      async (
        collection: string,
        type: string,
        file: string | undefined,
        options: DataOptions,
      ): Promise<void> => {
        const schema = file === undefined ? {} : { schema: await readJsonFile(file) };
        await askData(context, options, 'define', { collection, type, ...schema });
        const result = { schema: 'grid.data.define.1', collection, type };
        printResult(context, options, result, () => `${collection} holds records of ${type}`);
      },
    );
}

export function dataShareCommand(context: CommandContext): Command {
  return dataSubcommand('share', 'Say who may read a path of this bot and all below it.')
    .argument('<path>', 'such as notes, notes/1, files/photos')
    .argument('<readers>', `${standings.join(', ')}: these and those after them`, parseStanding)
    .action(async (path: string, readers: string, options: DataOptions) => {
      await askData(context, options, 'share', { path, readers });
      const result = { schema: 'grid.data.share.1', path, readers };
      printResult(context, options, result, () => `${path} is for: ${readers}`);
    });
}

export function dataGrantCommand(context: CommandContext): Command {
  return dataSubcommand('grant', 'Give another bot these rights and no others; none take it out.')
    .argument('<other>', 'id of the bot: bot:…', parseBotId)
    .argument('[rights...]', 'such as notes:read, files/photos:read+write', addRight)
    .action(async (other: string, given: readonly Right[] | undefined, options: DataOptions) => {
      const rights = given ?? [];
      await askData(context, options, 'grant', { bot: other, rights });
      const result = { schema: 'grid.data.grant.1', bot: other, rights };
      printResult(context, options, result, () =>
        rights.length === 0 ? `${other} has no rights by name` : `${other} has its rights`,
      );
    });
}

export function dataAllowCommand(context: CommandContext): Command {
  return dataSubcommand('allow', 'Give an app a new token, with these rights and no others.')
    .argument('<app>', 'its name: a-z, 0-9 and dashes')
    .argument(
      '<rights...>',
      'such as notes:read, files/photos:read+write, grid://BOT/notes:read',
      addRight,
    )
    .action(async (app: string, rights: readonly Right[], options: DataOptions) => {
      const { token } = await askData<{ token: string }>(context, options, 'allow', {
        app,
        rights,
      });
      const result = { schema: 'grid.data.allow.1', app, rights, token };
      printResult(context, options, result, () => `${token}\nit is shown once`);
    });
}

function parseBotId(text: string): string {
  if (new RegExp(`^${idPatterns.bot}$`).test(text)) return text;
  throw new InvalidArgumentError('give the id of a bot: bot:…');
}

function parseStanding(text: string): string {
  if (standings.includes(text)) return text;
  throw new InvalidArgumentError(`give one of ${standings.join(', ')}`);
}

function addRight(text: string, before: readonly Right[] = []): readonly Right[] {
  const [, path, rights] = /^(.+):((?:read|write)(?:\+(?:read|write))?)$/.exec(text) ?? [];
  if (path === undefined || rights === undefined) {
    throw new InvalidArgumentError('give a path and read, write or both: notes:read+write');
  }
  return [...before, { path, rights: rights.split('+') }];
}
