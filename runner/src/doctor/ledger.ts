import { existsSync } from 'node:fs';

import { isGridError } from '@commongrid/base';

import { trustOfGenesis } from '../bcdb-trust.ts';
import type { CommandContext } from '../command-context.ts';
import { connectRemembering } from '../commands/bcdb/remembered-client.ts';
import type { GridHome } from '../home.ts';
import type { GridStatus } from '../one-machine-grid.ts';
import { bad, doubtful, fine } from './diagnosis.ts';
import type { Diagnosis } from './diagnosis.ts';

/** The log may be so far ahead of the clock, ms: it tells whole seconds. */
const aheadMsMax = 5_000;

/**
 * The head of the log: whether its signature is right, it goes on from what commands saw before, and
 * the clock of the machine is not behind it.
 */
export async function examineLedger(
  context: CommandContext,
  home: GridHome,
  { state }: GridStatus,
): Promise<readonly Diagnosis[]> {
  const name = 'ledger';
  if (!existsSync(home.bcdbGenesisFile)) return [fine(name, 'there is none yet')];
  const { phase, addresses } = state?.services['bcdb'] ?? {};
  const address = addresses?.['bcdb-http'];
  if (phase !== 'running' || address === undefined) {
    return [doubtful(name, 'BCDB is down: its log cannot be asked', './grid up')];
  }
  try {
    const trust = await trustOfGenesis(home.bcdbGenesisFile);
    const client = await connectRemembering(context, { url: `http://${address}`, trust });
    const { size = 0, timestamp } = client.lastHead ?? {};
    const verified = fine(name, `a log of ${size} records; its head verifies`);
    return timestamp === undefined ? [verified] : [verified, clockBeside(timestamp * 1_000)];
  } catch (error) {
    if (!isGridError(error)) throw error;
    const { code, message, hint = './grid explain' } = error;
    return [{ ...bad(name, message, hint), code }];
  }
}

/** @param signedMs when the head was signed, by the clock of the database */
function clockBeside(signedMs: number): Diagnosis {
  const name = 'clock';
  const aheadMs = signedMs - Date.now();
  if (aheadMs <= aheadMsMax) return fine(name, 'not behind the log');
  const seconds = Math.round(aheadMs / 1_000);
  return bad(name, `${seconds} s behind the log`, 'set the clock: locks and leases go by it');
}
