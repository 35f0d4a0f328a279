import { existsSync } from 'node:fs';

import { isGridError } from '@commongrid/base';
import type { GridError } from '@commongrid/base';

import type { CommandContext } from '../command-context.ts';
import { GridHome } from '../home.ts';
import { examineCertificates } from './certificates.ts';
import { examineTimeService } from './clock.ts';
import { bad, fine } from './diagnosis.ts';
import type { Diagnosis } from './diagnosis.ts';
import { examineRoom, examineSync } from './disk.ts';
import { standingOf } from './grid-standing.ts';
import { examineLedger } from './ledger.ts';
import { examineKernel } from './machine.ts';
import { examineSecrets } from './secret-files.ts';
import { examinePorts, examineServices } from './services.ts';

/** Looks at everything that a grid and its machine need. Nothing is changed. */
export async function examineGrid(context: CommandContext): Promise<readonly Diagnosis[]> {
  const home = new GridHome(context.environment.home);
  const state = await found('folder', () => examineHome(home));
  if (state.some(({ level }) => level === 'fail')) return state;
  const { status, silence } = await standingOf(home);
  const needsNode = context.environment.isRoot && !existsSync(home.noNodeFile);
  // One after the other: a disk that is busy with one look would seem slow to another.
  return [
    ...state,
    silence === undefined ? examineServices(status) : failureOf('services', silence),
    ...(await found('ports', () => examinePorts(home, status))),
    ...(await found('ledger', () => examineLedger(context, home, status))),
    ...(await found('certificates', () => examineCertificates(home, status))),
    ...(await found('key files', () => examineSecrets(home))),
    ...(await found('space', () => examineRoom(home.path))),
    ...(await found('disk sync', () => examineSync(home.path))),
    ...(await found('time service', examineTimeService)),
    ...(await found('machine', () => examineKernel(home, needsNode))),
  ];
}

async function examineHome(home: GridHome): Promise<Diagnosis> {
  if (await home.exists()) return fine('folder', home.path);
  return fine('folder', `${home.path}: there is no grid yet`);
}

/** A look that fails is a finding as well: the others go on. */
async function found(
  name: string,
  look: () => Promise<Diagnosis | readonly Diagnosis[]>,
): Promise<readonly Diagnosis[]> {
  try {
    return [await look()].flat();
  } catch (error) {
    if (isGridError(error)) return [failureOf(name, error)];
    const why = error instanceof Error ? error.message : String(error);
    return [bad(name, `it cannot be looked at: ${why}`, 'run it as the owner of the grid')];
  }
}

function failureOf(name: string, { code, message, hint }: GridError): Diagnosis {
  return { ...bad(name, message, hint ?? `./grid explain ${code}`), code };
}
