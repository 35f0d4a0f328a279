import { Command } from 'commander';

import type { CommandContext } from '../../command-context.ts';
import { dataGetCommand } from './get.ts';
import { dataInitCommand } from './init.ts';
import { dataLsCommand } from './ls.ts';
import { dataPutCommand } from './put.ts';
import { dataRmCommand } from './rm.ts';
import {
  dataAllowCommand,
  dataDefineCommand,
  dataGrantCommand,
  dataShareCommand,
} from './rights.ts';

export function dataCommand(context: CommandContext): Command {
  return new Command('data')
    .description('Records and files of a 3Bot, and those that others share: grid://BOT/PATH.')
    .addCommand(dataInitCommand(context))
    .addCommand(dataDefineCommand(context))
    .addCommand(dataPutCommand(context))
    .addCommand(dataGetCommand(context))
    .addCommand(dataLsCommand(context))
    .addCommand(dataRmCommand(context))
    .addCommand(dataShareCommand(context))
    .addCommand(dataGrantCommand(context))
    .addCommand(dataAllowCommand(context));
}
