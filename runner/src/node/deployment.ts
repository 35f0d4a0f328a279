import { readFile } from 'node:fs/promises';

import { errorCode, GridError, isGridError, systemRandom } from '@commongrid/base';
import { buildContract } from '@commongrid/contract';
import type { BuiltContract, ContractDefinition } from '@commongrid/contract';
import { parseDeploymentFile } from '@commongrid/model';
import type { BotId, ControllerId, DeploymentFile } from '@commongrid/model';
import { checkRole } from '@commongrid/node';

import type { GridErrorCode } from '../errors.ts';

export interface DeploymentParties {
  readonly log: string;
  readonly owner: BotId;
  /** Who places and heals it. */
  readonly controller: ControllerId;
  /** Log time, ms since 1970. */
  readonly at: number;
  /** Digest of an image that a file names by its name in a hub. */
  readonly resolveImage: (name: string) => Promise<string>;
}

/** @throws GRID_FILE_UNREADABLE, GRID_DEPLOYMENT_INVALID with the place */
export async function readDeployment(path: string): Promise<DeploymentFile> {
  const value = await readJson(path);
  try {
    return parseDeploymentFile(value);
  } catch (error) {
    if (!isGridError(error)) throw error;
    const { path: place } = error.details;
    throw invalid(error.message, typeof place === 'string' ? place : '');
  }
}

/** @throws GRID_FILE_UNREADABLE */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const why = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${path}: ${why}`, {
      hint: 'name a file such as examples/web.json; `grid deploy --schema` shows what it says',
      details: { path },
      cause: error,
    });
  }
}

/** Makes a contract of what people wrote, or of what a solution made of answers. @throws GRID_DEPLOYMENT_INVALID with the place */
export async function makeDeployment(
  file: DeploymentFile | ContractDefinition,
  parties: DeploymentParties,
): Promise<BuiltContract> {
  try {
    return await buildContract(file, {
      ...parties,
      folder: process.cwd(),
      draw: (count) => systemRandom.bytes(count),
      // A node would refuse it, too, but only once it is signed.
      checkRole,
      // A deployment is the owner's alone: it names nobody.
      findBot: async () => undefined,
      findSeal: async () => undefined,
    });
  } catch (error) {
    if (!isGridError(error, 'CONTRACT_DEFINITION_INVALID')) throw error;
    const { path } = error.details;
    throw invalid(error.message, typeof path === 'string' ? path : '');
  }
}

function invalid(why: string, path = ''): GridError<GridErrorCode> {
  return new GridError('GRID_DEPLOYMENT_INVALID', `the deployment cannot be used: ${why}`, {
    hint: 'grid deploy --schema shows what a deployment says',
    details: { path },
  });
}
