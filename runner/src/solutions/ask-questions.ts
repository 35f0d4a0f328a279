import type { Readable, Writable } from 'node:stream';

import { GridError, isGridError } from '@commongrid/base';
import { defaultOf, openQuestions, parseAnswer, readAnswers } from '@commongrid/solutions';
import type { Answers, AnswerValue, Draw, Question, Questionnaire } from '@commongrid/solutions';

import type { GridErrorCode } from '../errors.ts';

/** Somebody who can be asked. */
export interface Asked {
  readonly draw: Draw;
  readonly input?: Readable;
  readonly output: Writable;
}

/**
 * Asks a person what is not answered yet, a line each; Enter takes the default, and wrong answers are asked for again.
 * @throws GRID_USAGE when it is cancelled, SOLUTION_ANSWER_INVALID for a given answer that a typed one leaves no question to
 */
export async function askQuestions(
  questionnaire: Questionnaire,
  given: Answers,
  asked: Asked,
): Promise<Answers> {
  let answers = given;
  for (;;) {
    // One answer decides whether another question is asked.
    const [question] = openQuestions(questionnaire, answers);
    if (question === undefined) return readAnswers(questionnaire, answers);
    answers = { ...answers, [question.name]: await ask(question, asked) };
  }
}

async function ask(question: Question, { draw, ...streams }: Asked): Promise<AnswerValue> {
  const { isCancel, password, select, text } = await import('@clack/prompts');
  const { text: message, kind } = question;
  const validate = (typed = ''): string | undefined => complaintOf(question, typed);
  const answer =
    kind === 'choice'
      ? await select({
          ...{ message, ...streams },
          options: question.choices.map((one) => ({ value: one.value, label: one.text })),
          ...(question.default === undefined ? {} : { initialValue: question.default }),
        })
      : kind === 'secret'
        ? await password({ message, validate, ...streams })
        : await text({ message, validate, ...byDefault(question), ...streams });
  if (isCancel(answer)) throw cancelled();
  const typed = answer ?? '';
  const value = typed.trim() === '' ? defaultOf(question, draw) : undefined;
  return value ?? parseAnswer(question, typed);
}

/** Why it is asked again. */
function complaintOf(question: Question, typed: string): string | undefined {
  if (typed.trim() === '' && hasDefault(question)) return undefined;
  try {
    parseAnswer(question, typed);
    return undefined;
  } catch (error) {
    if (!isGridError(error, 'SOLUTION_ANSWER_INVALID')) throw error;
    return String(error.details['why']);
  }
}

function hasDefault(question: Question): boolean {
  return question.kind === 'secret' || question.default !== undefined;
}

/** What is shown before somebody types, and taken when he types nothing. */
function byDefault(question: Question) {
  if (question.kind === 'secret' || question.default === undefined) return {};
  const { default: value } = question;
  const shown = Array.isArray(value) ? value.join(', ') : String(value);
  return { placeholder: shown, defaultValue: shown };
}

function cancelled(): GridError<GridErrorCode> {
  return new GridError('GRID_USAGE', 'nothing was begun: the questions were left', {
    hint: 'say it again, or give --answers FILE',
  });
}
