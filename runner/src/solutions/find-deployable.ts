import type { ContractDefinition } from '@commongrid/contract';
import { GridError, systemRandom } from '@commongrid/base';
import type { DeploymentFile } from '@commongrid/model';
import { findSolution } from '@commongrid/solutions';
import type { MadeSolution } from '@commongrid/solutions';

import type { CommandContext } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { readDeployment } from '../node/deployment.ts';
import { findAnswers } from './find-answers.ts';
import type { AnswerOptions } from './find-answers.ts';

/** What `grid deploy` was told to run. */
export interface Deployable {
  /** As it was told. */
  readonly word: string;
  readonly definition: DeploymentFile | ContractDefinition;
  /** Of a solution: what comes with its definition. */
  readonly made: MadeSolution | undefined;
}

/** Whether a word is the path of a file, and not the name of a solution. */
export function isPath(word: string): boolean {
  return word.includes('/') || word.endsWith('.json');
}

/** @throws GRID_USAGE, and what `readDeployment`, `findSolution` and `findAnswers` throw */
export async function findDeployable(
  context: CommandContext,
  word: string,
  options: AnswerOptions,
): Promise<Deployable> {
  if (isPath(word)) {
    const isAnswered = options.answers !== undefined || options.yes === true;
    if (isAnswered) {
      throw new GridError<GridErrorCode>('GRID_USAGE', 'a file asks nothing', {
        hint: 'leave --answers and --yes out, or name a solution: grid deploy --list',
      });
    }
    return { word, definition: await readDeployment(word), made: undefined };
  }
  const solution = findSolution(word);
  const answers = await findAnswers(context, solution, options);
  const made = solution.make(answers, (count) => systemRandom.bytes(count));
  return { word, definition: made.definition, made };
}
