import { isGridError, runProgram } from '@commongrid/base';

import { doubtful, fine } from './diagnosis.ts';
import type { Diagnosis } from './diagnosis.ts';

/** Whether something sets the clock of the machine, where that is known. */
export async function examineTimeService(): Promise<Diagnosis> {
  const name = 'time service';
  const next = 'timedatectl set-ntp true, or another time service';
  const isSet = (await saidBySystemd()) ?? (await saidByChrony());
  if (isSet === undefined) return fine(name, 'none that can be asked');
  return isSet
    ? fine(name, 'the clock is synchronized')
    : doubtful(name, 'the clock is not synchronized', next);
}

async function saidBySystemd(): Promise<boolean | undefined> {
  const printed = await asked('timedatectl', ['show', '--property=NTPSynchronized', '--value']);
  return printed === undefined ? undefined : printed.trim() === 'yes';
}

async function saidByChrony(): Promise<boolean | undefined> {
  const printed = await asked('chronyc', ['tracking']);
  const [, leap] = /^Leap status\s*: (.*)$/m.exec(printed ?? '') ?? [];
  return leap === undefined ? undefined : leap !== 'Not synchronised';
}

/** Undefined where there is no such program, or nothing that answers it. */
async function asked(program: string, words: readonly string[]): Promise<string | undefined> {
  try {
    return await runProgram(program, words, { timeoutMs: askTimeoutMs });
  } catch (error) {
    if (isGridError(error)) return undefined;
    throw error;
  }
}

/** For a time service to answer, ms. */
const askTimeoutMs = 5_000;
