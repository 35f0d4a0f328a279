import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { errorCode } from '@commongrid/base';

import { childVariables } from './environment.ts';

/** So long apt waits for another one. */
const lockSeconds = 300;

/**
 * Installs packages of Debian, as root; what apt says goes to stderr, for it may last minutes.
 * @returns false when that failed, also where there is no apt
 */
export async function installPackages(
  packages: readonly string[],
  note: (text: string) => void,
): Promise<boolean> {
  const install = ['install', '--yes', '--no-install-recommends', ...packages];
  note(`apt-get update && apt-get ${install.join(' ')}`);
  // Old lists may do; whether they did, the install tells.
  await runApt(['update', '--quiet=2']);
  return runApt(install);
}

async function runApt(words: readonly string[]): Promise<boolean> {
  // Another one may be at work, as on a machine that has just been started.
  const child = spawn('apt-get', [...words, '-o', `DPkg::Lock::Timeout=${lockSeconds}`], {
    env: childVariables({ DEBIAN_FRONTEND: 'noninteractive' }),
    stdio: ['ignore', 2, 2],
  });
  try {
    const [status] = (await once(child, 'exit')) as [number | null];
    return status === 0;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
