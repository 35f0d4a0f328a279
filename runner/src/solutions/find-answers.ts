import { readFile } from 'node:fs/promises';

import { errorCode, GridError, systemRandom } from '@commongrid/base';
import { missingAnswers, openQuestions, readAnswers, withDefaults } from '@commongrid/solutions';
import type { Answers, Solution } from '@commongrid/solutions';

import type { CommandContext, JsonOption } from '../command-context.ts';
import type { GridErrorCode } from '../errors.ts';
import { askQuestions } from './ask-questions.ts';

export type AnswerOptions = JsonOption & { readonly answers?: string; readonly yes?: true };

/**
 * All answers to a solution's questions: of a file, then of the person at the terminal. With `--yes` what is left gets
 * its default.
 * @throws GRID_FILE_UNREADABLE, GRID_USAGE, SOLUTION_ANSWER_INVALID, SOLUTION_ANSWER_UNKNOWN, SOLUTION_ANSWER_MISSING
 */
export async function findAnswers(
  { terminal }: CommandContext,
  solution: Solution,
  { answers: file, yes, json }: AnswerOptions,
): Promise<Answers> {
  const given = file === undefined ? {} : readAnswers(solution, await readJson(file));
  const draw = (count: number): Uint8Array => systemRandom.bytes(count);
  if (yes === true) return withDefaults(solution, given, draw);
  const canAsk = process.stdin.isTTY && terminal.isWatched && json !== true;
  if (canAsk) return askQuestions(solution, given, { draw, output: process.stderr });
  // Questions that depend on missing answers are named with these.
  const open = openQuestions(solution, given);
  if (open.length > 0) throw missingAnswers(solution, open);
  return given;
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch (error) {
    const why = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${path}: ${why}`, {
      hint: 'name a file of JSON; grid deploy SOLUTION --schema shows what it has',
      details: { path },
      cause: error,
    });
  }
}
