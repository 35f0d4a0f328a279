import { readFile } from 'node:fs/promises';

import { errorCode, GridError } from '@commongrid/base';
import { verifyAudit } from '@commongrid/contract';
import type { AuditFinding } from '@commongrid/contract';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { counted } from '../../terminal.ts';
import { givenTrust, parseHash, parseKey } from '../bcdb/connection.ts';
import type { TrustOptions } from '../bcdb/connection.ts';
import { formatTime } from '../bcdb/options.ts';
import { describeReport } from './describe-report.ts';

type VerifyOptions = JsonOption & TrustOptions;

export function auditVerifyCommand(context: CommandContext): Command {
  return resultCommand('verify', 'Verify the audit of a contract, with no server.')
    .argument('<file>', 'of `grid contract audit --export`')
    .option('--genesis <file>', 'genesis.json of the log that it must be')
    .option('--log <hash>', 'or the hash of that genesis', parseHash)
    .option('--sequencer <key>', 'and the key that signs its checkpoints', parseKey)
    .action(async (file: string, options: VerifyOptions) => {
      const trust = await trustIn(options);
      const finding = verifyAudit(await read(file), trust);
      const { log, sequencer, reader, head, report, toldCount, withheldCount } = finding;
      const says = statementsOf(finding, trust !== undefined);
      const result = {
        ...{ schema: 'grid.audit.verify.1', isSound: true, isTrustGiven: trust !== undefined },
        ...{ log, sequencer, reader, head, toldCount, withheldCount, ...says, report },
      };
      const { style } = context.terminal;
      printResult(context, options, result, () =>
        [
          describeReport(report, style),
          '',
          style.good('Proven'),
          ...says.proves.map((one) => `  ${one}`),
          '',
          style.strong('Not proven by this'),
          ...says.provesNot.map((one) => `  ${one}`),
          ...(trust === undefined
            ? ['', style.bad('Compare by hand'), ...compareByHand(finding)]
            : []),
        ].join('\n'),
      );
    });
}

async function trustIn(options: VerifyOptions) {
  const { log, sequencer } = options;
  if ((log === undefined) === (sequencer === undefined)) return givenTrust(options);
  throw new GridError<GridErrorCode>('GRID_USAGE', '--log and --sequencer go together', {
    hint: './grid audit verify --help',
  });
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const why = errorCode(cause) ?? String(cause);
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${path}: ${why}`, {
      hint: 'name a file of `grid contract audit --export`',
      details: { path },
      cause,
    });
  }
}

/** What the file shows, and what nobody can see from it. */
function statementsOf(
  { log, reader, head, report, toldCount, withheldCount }: AuditFinding,
  isTrustGiven: boolean,
): { readonly proves: readonly string[]; readonly provesNot: readonly string[] } {
  const { records, at } = report;
  const until = formatTime(at);
  const whose = isTrustGiven ? 'you named' : 'the file names';
  return {
    proves: [
      `the sequencer of the log that ${whose} signed a head of ${head.size} records`,
      `all ${toldCount} records that concern ${reader} up to ${until} are here, in its tree, each signed by its author`,
      `${withheldCount} of these are of workloads of other contracts, by their names, and what they say is left out`,
      `${counted(records.length, 'record')} of them have to do with the contract; by the rules they come to the above`,
      'the money of the contract is what the ledger moved, to the last unit',
    ],
    provesNot: [
      `what came after ${until}`,
      'that everybody is shown the same log: somebody has to keep a full copy, and compare',
      `what does not concern ${reader}: balances of others, what their nodes do`,
      'that a machine did well what its node says, or that a bot is whom you think',
      ...(isTrustGiven ? [] : [`that ${log} is the log that you mean`]),
    ],
  };
}

function compareByHand({ log, sequencer }: AuditFinding): readonly string[] {
  return [
    '  this is a file of your grid only if these two are what its owner told you:',
    `  --log ${log}`,
    `  --sequencer ${sequencer}`,
  ];
}
