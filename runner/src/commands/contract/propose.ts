import { GridError } from '@commongrid/base';
import type { ContractErrorCode } from '@commongrid/contract';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { connect, serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { readBuilt } from './read-contract.ts';

export function contractProposeCommand(context: CommandContext): Command {
  return serverCommand('propose', 'Put the header of a built contract into the log, to be signed.')
    .argument('<file>', 'a built contract; its roles and secrets stay here')
    .action(async (file: string, options: ServerOptions) => {
      const { id, header } = await readBuilt(file);
      const { client, trust } = await connect(context, options);
      if (header.log !== trust.log) throw otherGrid(file, header.log);
      const statement = { ns: 'grid', op: 'put', url: 'grid.contract.1', obj: id } as const;
      const { seq } = await client.write({ ...statement, value: { ...header } });
      const result = { schema: 'grid.contract.propose.1', contract: id, name: header.name, seq };
      printResult(context, options, result, () =>
        [`${header.name} is proposed: ${id}`, `next: ./grid contract sign ${file}`].join('\n'),
      );
    });
}

function otherGrid(file: string, log: string): GridError<ContractErrorCode> {
  return new GridError('CONTRACT_OTHER_GRID', `${file} was built for another grid`, {
    hint: 'build it here: grid contract build',
    details: { log },
  });
}
