import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { errorCode, GridError } from '@commongrid/base';
import { conditionHash } from '@commongrid/model';
import type { TransferId } from '@commongrid/model';
import type { Command } from 'commander';

import { printResult, resultCommand } from '../../command-context.ts';
import type { CommandContext, JsonOption } from '../../command-context.ts';
import type { GridErrorCode } from '../../errors.ts';
import { writeNewSecret } from '../../key-file.ts';
import { serverCommand } from '../bcdb/connection.ts';
import type { ServerOptions } from '../bcdb/connection.ts';
import { withWallet } from './own-wallet.ts';
import { idParser } from './wallet-options.ts';

export function walletPreimageCommand(context: CommandContext): Command {
  return resultCommand('preimage', 'Make a secret that opens transfers, and show its hash.')
    .argument('<file>', 'the file to make; show its content to nobody before you claim by it')
    .action(async (file: string, options: JsonOption) => {
      const preimage = randomBytes(32).toString('base64url');
      await writeNewSecret(file, preimage);
      const result = { schema: 'grid.wallet.preimage.1', file, hash: conditionHash(preimage) };
      printResult(context, options, result, ({ hash }) => {
        return `${hash}\nwho pays: grid wallet send BOT AMOUNT CURRENCY --hash-lock ${hash} --until TIME`;
      });
    });
}

export function walletClaimCommand(context: CommandContext): Command {
  return serverCommand('claim', 'Show the secret that a transfer waits for: its receiver is paid.')
    .argument('<transfer>', 'its id', idParser('transfer'))
    .argument('<file>', 'with the secret: from then on everybody may know it')
    .action(async (transfer: string, file: string, options: ServerOptions) => {
      const preimage = await readPreimage(file);
      await withWallet(context, options, ({ wallet }) =>
        wallet.claim(transfer as TransferId, preimage),
      );
      const result = { schema: 'grid.wallet.claim.1', transfer };
      printResult(context, options, result, () => `${transfer} is paid`);
    });
}

export function walletTakeBackCommand(context: CommandContext): Command {
  return serverCommand('take-back', 'Give a transfer back that nobody claimed in time.')
    .argument('<transfer>', 'its id', idParser('transfer'))
    .action(async (transfer: string, options: ServerOptions) => {
      await withWallet(context, options, ({ wallet }) => wallet.takeBack(transfer as TransferId));
      const result = { schema: 'grid.wallet.take-back.1', transfer };
      printResult(context, options, result, () => `${transfer} is given back`);
    });
}

/** @throws GRID_FILE_UNREADABLE */
async function readPreimage(file: string): Promise<string> {
  try {
    const text = (await readFile(file, 'utf8')).trim();
    if (/^[A-Za-z0-9_-]{43}$/.test(text)) return text;
    throw new TypeError('it holds no 32 bytes of base64url');
  } catch (cause) {
    const why = errorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'name a file that `grid wallet preimage` made',
      details: { file },
      cause,
    });
  }
}
