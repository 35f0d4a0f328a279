import { askControl, isGridError } from '@commongrid/base';

import { GridHome } from '../home.ts';
import type { DoorReport, FrontDoorReport } from './front-door-report.ts';

/** The service that runs it. */
export const frontDoorService = 'front-door';

/** Time for an answer: commands do not wait for one that hangs, ms. */
const answerMs = 5_000;

/** The doors that are open; undefined where no front door answers. @param path GRID_HOME */
export async function doorsHere(path: string): Promise<readonly DoorReport[] | undefined> {
  const { frontDoorControlSocket } = new GridHome(path);
  try {
    const answer = await askControl(frontDoorControlSocket, 'status', {}, { timeoutMs: answerMs });
    return (answer as FrontDoorReport).doors;
  } catch (error) {
    if (isGridError(error)) return undefined;
    throw error;
  }
}
