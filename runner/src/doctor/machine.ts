import { access, constants } from 'node:fs/promises';

import { isGridError, runProgram } from '@commongrid/base';
import type { Finding } from '@commongrid/node';

import type { GridHome } from '../home.ts';
import { nodeDispensable } from '../node/machine-lack.ts';
import { doubtful, fine } from './diagnosis.ts';
import type { Diagnosis } from './diagnosis.ts';

/** What kernel and programs of the machine can do. @param needsNode whether it is to run workloads */
export async function examineKernel(
  home: GridHome,
  needsNode: boolean,
): Promise<readonly Diagnosis[]> {
  const { examineMachine } = await import('@commongrid/node');
  const findings = await examineMachine(home.node);
  const own = await Promise.all([dataOnlyLayers(), tun()]);
  // Disks have a part of their own.
  const others = findings.filter(({ name }) => name !== 'disk');
  return [...others.map((finding) => diagnosisOf(finding, needsNode)), ...own];
}

function diagnosisOf({ name, isOk, says, next = '' }: Finding, needsNode: boolean): Diagnosis {
  const [line = ''] = says.split('\n');
  if (isOk) return fine(name, line);
  const level = needsNode && !nodeDispensable.has(name) ? 'fail' : 'warn';
  const [, module] = /^modprobe ([\w-]+)/.exec(next) ?? [];
  const repair = module === undefined ? {} : { repair: () => runProgram('modprobe', [module]) };
  return { name, level, says: line, next, ...repair };
}

/** In a mount namespace of its own, which ends with the probe. */
const layersProbe = `mount -t tmpfs probe /mnt && cd /mnt && mkdir lower data merged &&
  mount -t overlay -o metacopy=on,redirect_dir=on,lowerdir=lower::data overlay merged`;

async function dataOnlyLayers(): Promise<Diagnosis> {
  const name = 'data-only layers';
  try {
    await runProgram('unshare', ['--mount', 'sh', '-ec', layersProbe]);
    return fine(name, 'overlayfs has them');
  } catch (error) {
    if (!isGridError(error)) throw error;
    const [line = ''] = error.message.split('\n');
    return doubtful(name, line, 'as root on Linux 6.5 or newer; until then images are slower');
  }
}

async function tun(): Promise<Diagnosis> {
  const name = 'tun';
  try {
    await access('/dev/net/tun', constants.R_OK | constants.W_OK);
    return fine(name, '/dev/net/tun');
  } catch {
    const next = 'modprobe tun: user-space networks need it';
    const repair = (): Promise<string> => runProgram('modprobe', ['tun']);
    return { ...doubtful(name, 'no /dev/net/tun', next), repair };
  }
}
