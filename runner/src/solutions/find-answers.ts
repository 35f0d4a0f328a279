import { readFile } from 'node:fs/promises';

import { errorCode, GridError, systemRandom } from '@commongrid/base';
import { missingAnswers, openQuestions, readAnswers, withDefaults } from '@commongrid/solutions';
import type { Answers, Questionnaire } from '@commongrid/solutions';

import type { CommandContext, JsonOption } from '../command-context.ts';
import { canAsk } from '../confirm.ts';
import type { GridErrorCode } from '../errors.ts';
import { askQuestions } from './ask-questions.ts';

export type AnswerOptions = JsonOption & { readonly answers?: string; readonly yes?: true };

/** All answers: of a file, then as `completeAnswers`. Throws as `answersOfFile` and `completeAnswers`. */
export async function findAnswers(
  context: CommandContext,
  questionnaire: Questionnaire,
  options: AnswerOptions,
): Promise<Answers> {
  const given = await answersOfFile(questionnaire, options.answers);
  return completeAnswers(context, questionnaire, given, options);
}

/**
 * What a file answers; without one nothing.
 * @throws GRID_FILE_UNREADABLE, SOLUTION_ANSWER_INVALID, SOLUTION_ANSWER_UNKNOWN
 */
export async function answersOfFile(
  questionnaire: Questionnaire,
  file: string | undefined,
): Promise<Answers> {
  if (file === undefined) return {};
  return readAnswers(questionnaire, await readJson(file, questionnaire.command));
}

/**
 * Has the person at the terminal answer what is open. With `--yes` that gets its default.
 * @throws GRID_USAGE when the questions are left, SOLUTION_ANSWER_MISSING, SOLUTION_ANSWER_INVALID
 */
export async function completeAnswers(
  context: CommandContext,
  questionnaire: Questionnaire,
  given: Answers,
  { yes, json }: Pick<AnswerOptions, 'yes' | 'json'>,
): Promise<Answers> {
  const draw = (count: number): Uint8Array => systemRandom.bytes(count);
  if (yes === true) return withDefaults(questionnaire, given, draw);
  if (canAsk(context, { json })) {
    return askQuestions(questionnaire, given, { draw, output: process.stderr });
  }
  // Questions that depend on missing answers are named with these.
  const open = openQuestions(questionnaire, given);
  if (open.length > 0) throw missingAnswers(questionnaire, open);
  return given;
}

async function readJson(path: string, command: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch (error) {
    const why = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
    throw new GridError<GridErrorCode>('GRID_FILE_UNREADABLE', `cannot read ${path}: ${why}`, {
      hint: `name a file of JSON; ${command} --schema shows what it has`,
      details: { path },
      cause: error,
    });
  }
}
