import { GridError } from '@commongrid/base';
import type { ContractErrorCode, DraftFile } from '@commongrid/contract';
import type { Command } from 'commander';

import { handOver } from '../../bot-service/bots-here.ts';
import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { connect, serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { readJsonFile } from '../bcdb/value-input.ts';
import type { BotFolder } from '../bot/bot-folder.ts';
import { controllerHere } from './controller-here.ts';
import { readBuilt, secretsFileOf } from './read-contract.ts';

export function contractProposeCommand(context: CommandContext): Command {
  return serverCommand('propose', 'Put the header of a built contract into the log, to be signed.')
    .argument('<file>', 'a built contract; its roles and secrets go to no one but its controller')
    .action(async (file: string, options: ServerOptions) => {
      const draft = await readBuilt(file);
      const { id, header } = draft;
      const { client, trust } = await connect(context, options);
      if (header.log !== trust.log) throw otherGrid(file, header.log);
      // Whoever places has the papers before there is anything to place.
      const keeper = await controllerHere(context, header);
      if (keeper !== undefined) await giveTo(keeper, file, draft);
      const statement = { ns: 'grid', op: 'put', url: 'grid.contract.1', obj: id } as const;
      const { seq } = await client.write({ ...statement, value: { ...header } });
      const name = keeper === undefined ? null : (await keeper.config()).name;
      const result = {
        ...{ schema: 'grid.contract.propose.1', contract: id, name: header.name, seq },
        controller: name,
      };
      printResult(context, options, result, () =>
        [
          `${header.name} is proposed: ${id}`,
          name === null
            ? 'no bot of this machine controls it: nothing places it here'
            : `${name} has its roles and secrets, and places it once it is agreed`,
          `next: ./grid contract sign ${file}`,
        ].join('\n'),
      );
    });
}

async function giveTo(bot: BotFolder, file: string, draft: DraftFile): Promise<void> {
  const hasSecrets = draft.header.secrets.length > 0;
  const secrets = hasSecrets ? { secrets: await readJsonFile(secretsFileOf(file)) } : {};
  await handOver(bot, { draft, ...secrets });
}

function otherGrid(file: string, log: string): GridError<ContractErrorCode> {
  return new GridError('CONTRACT_OTHER_GRID', `${file} was built for another grid`, {
    hint: 'build it here: grid contract build',
    details: { log },
  });
}
