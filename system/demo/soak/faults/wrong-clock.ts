import { existsSync } from 'node:fs';

import { GridError } from '@commongrid/base';
import type { BaseErrorCode } from '@commongrid/base';

import type { BeginFault } from './begun-fault.ts';
import { farmerOf } from './service-faults.ts';

/** Where Debian has the library, by the architecture of a machine. */
const folders: Readonly<Record<string, string>> = {
  arm64: 'aarch64-linux-gnu',
  x64: 'x86_64-linux-gnu',
};

/** Most that a clock is wrong, s. */
const offsetSecondsMax = 30;

/** @throws BASE_PROGRAM_MISSING where there is nothing to make a clock wrong with */
export function requireFaketime(): string {
  const path = `/usr/lib/${folders[process.arch] ?? ''}/faketime/libfaketime.so.1`;
  if (existsSync(path)) return path;
  throw new GridError<BaseErrorCode>('BASE_PROGRAM_MISSING', `${path} is not there`, {
    hint: 'apt-get install faketime',
    details: { program: 'faketime' },
  });
}

/** Variables of a program whose clock is wrong by so much; the time that it measures is right. */
function wrongBy(seconds: number): Readonly<Record<string, string>> {
  return {
    LD_PRELOAD: requireFaketime(),
    FAKETIME: `${seconds < 0 ? '' : '+'}${seconds}s`,
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}

/** The bot of a farmer goes on with a clock that jumped, and later jumps back. */
export const farmerClockWrong: BeginFault = async (scene, fault) => {
  const farmer = farmerOf(scene, fault);
  const { signal } = scene.town;
  const seconds = Math.round((fault.part * 2 - 1) * offsetSecondsMax);
  await farmer.kill();
  await farmer.start(signal, wrongBy(seconds));
  const end = async (): Promise<void> => {
    await farmer.kill();
    await farmer.start(signal);
  };
  return { victim: farmer.name, end };
};
