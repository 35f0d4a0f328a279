import { GridError } from '@commongrid/base';

import { archive } from './archive.ts';
import type { SolutionErrorCode } from './errors.ts';
import { redis } from './redis.ts';
import type { Solution } from './solution.ts';
import { webApp } from './web-app.ts';

export const solutions: readonly Solution[] = [archive, redis, webApp];

/** @throws SOLUTION_UNKNOWN with those that there are */
export function findSolution(name: string): Solution {
  const found = solutions.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = solutions.map((one) => one.name);
  throw new GridError<SolutionErrorCode>('SOLUTION_UNKNOWN', `there is no solution ${name}`, {
    hint: `there are ${names.join(', ')}; a file is named with a / or ends in .json: ./${name}`,
    details: { name, solutions: names },
  });
}
