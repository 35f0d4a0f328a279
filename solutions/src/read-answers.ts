import { formatBytes, GridError, isGridError, parseBytes } from '@commongrid/base';

import type { SolutionErrorCode } from './errors.ts';
import type { Answers, AnswerValue, Question, Questionnaire } from './question.ts';
import type { Draw } from './solution.ts';

/**
 * Holds answers of a file to the questions. Some may be missing.
 * @throws SOLUTION_ANSWER_INVALID, SOLUTION_ANSWER_UNKNOWN with the question in `details.question`
 */
export function readAnswers({ name, command, questions }: Questionnaire, given: unknown): Answers {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new GridError<SolutionErrorCode>('SOLUTION_ANSWER_INVALID', 'answers are an object', {
      hint: `${command} --schema shows what it has`,
    });
  }
  const known = new Map(questions.map((question) => [question.name, question]));
  const answers: Record<string, AnswerValue> = {};
  for (const [key, value] of Object.entries(given)) {
    const question = known.get(key);
    // Editors want to know what a file is.
    if (question === undefined && key === '$schema') continue;
    if (question === undefined) throw unknownAnswer(name, key, [...known.keys()]);
    answers[key] = checkAnswer(question, value);
  }
  const settled = { ...defaultsOf(questions), ...answers };
  for (const question of questions) {
    if (!(question.name in answers) || isAsked(question, settled)) continue;
    throw invalid(
      question,
      `it is asked only where ${question.when?.question} is ${question.when?.is}`,
    );
  }
  return answers;
}

/** Those that are to be asked still, in their order, as far as the answers so far tell. */
export function openQuestions({ questions }: Questionnaire, answers: Answers): readonly Question[] {
  return questions.filter((one) => !(one.name in answers) && isAsked(one, answers));
}

/**
 * The answers, with defaults for what is missing; secrets are drawn.
 * @throws SOLUTION_ANSWER_MISSING for a question without a default
 */
export function withDefaults(asked: Questionnaire, given: Answers, draw: Draw): Answers {
  const answers = { ...given };
  for (const question of asked.questions) {
    if (question.name in answers || !isAsked(question, answers)) continue;
    const value = defaultOf(question, draw);
    if (value === undefined) throw missingAnswers(asked, [question]);
    answers[question.name] = value;
  }
  return answers;
}

/** What an answer is where nobody gives one; undefined where somebody has to. */
export function defaultOf(question: Question, draw: Draw): AnswerValue | undefined {
  if (question.kind === 'secret') return drawnText(question.generate, draw);
  if (question.default === undefined) return undefined;
  return checkAnswer(question, question.default);
}

/**
 * What somebody typed.
 * @throws SOLUTION_ANSWER_INVALID
 */
export function parseAnswer(question: Question, typed: string): AnswerValue {
  const text = typed.trim();
  const { kind } = question;
  if (kind === 'whole' || kind === 'number') {
    return checkAnswer(question, text === '' ? text : Number(text));
  }
  if (kind === 'list') {
    const parts = text.split(',').map((part) => part.trim());
    return checkAnswer(question, text === '' ? [] : parts);
  }
  return checkAnswer(question, text);
}

/** @throws SOLUTION_ANSWER_INVALID with what would do */
function checkAnswer(question: Question, value: unknown): AnswerValue {
  switch (question.kind) {
    case 'text':
    case 'secret':
      return checkText(question, value);
    case 'whole':
    case 'number':
      return checkNumber(question, value);
    case 'size':
      return checkSize(question, value);
    case 'choice': {
      const offered = question.choices.map((one) => one.value);
      if (typeof value === 'string' && offered.includes(value)) return value;
      throw invalid(
        question,
        `give one of ${offered.map((one) => JSON.stringify(one)).join(', ')}`,
      );
    }
    case 'list':
      return checkList(question, value);
    default:
      return question satisfies never;
  }
}

/** @throws SOLUTION_ANSWER_MISSING */
export function missingAnswers(
  { command }: Questionnaire,
  questions: readonly Question[],
): GridError<SolutionErrorCode> {
  const names = questions.map((one) => one.name);
  const message = `nobody can be asked here, and answers are missing: ${names.join(', ')}`;
  return new GridError('SOLUTION_ANSWER_MISSING', message, {
    hint: `write them into a file: ${command} --answers FILE; or --yes takes defaults`,
    details: { questions: names },
  });
}

/** Random characters that need no quotes anywhere. */
export function drawnText(characters: number, draw: Draw): string {
  const bytes = draw(Math.ceil((characters * 3) / 4));
  const text = bytes.toBase64({ alphabet: 'base64url', omitPadding: true }).slice(0, characters);
  // No program takes it for an option.
  return text.replace(/^[-_]/, 'a');
}

function isAsked({ when }: Question, answers: Answers): boolean {
  return when === undefined || answers[when.question] === when.is;
}

/** Without secrets, which no other question depends on. */
function defaultsOf(questions: readonly Question[]): Answers {
  const known = questions.flatMap((one) => {
    return one.kind === 'secret' || one.default === undefined ? [] : [[one.name, one.default]];
  });
  return Object.fromEntries(known) as Answers;
}

function checkText(
  question: Question & { readonly kind: 'text' | 'secret' },
  value: unknown,
): string {
  const { pattern, form = 'a text', charactersMax } = question;
  const fits = typeof value === 'string' && (pattern === undefined || isLike(pattern, value));
  if (!fits) throw invalid(question, `give ${form}`);
  if (value.length <= charactersMax) return value;
  throw invalid(question, `give ${charactersMax} characters at most`);
}

function checkNumber(
  question: Question & { readonly kind: 'whole' | 'number' },
  value: unknown,
): number {
  const { kind, min, max } = question;
  const isNumber = typeof value === 'number' && value >= min && value <= max;
  if (isNumber && (kind === 'number' || Number.isInteger(value))) return value;
  const what = kind === 'whole' ? 'a whole number' : 'a number';
  throw invalid(question, `give ${what} from ${min} to ${max}`);
}

function checkSize(question: Question & { readonly kind: 'size' }, value: unknown): number {
  const { minBytes, maxBytes } = question;
  const bytes = bytesOf(value);
  if (bytes !== undefined && bytes >= minBytes && bytes <= maxBytes) return bytes;
  const limits = `${formatBytes(minBytes)} to ${formatBytes(maxBytes)}`;
  throw invalid(question, `give a size such as 10GiB, ${limits}`);
}

function bytesOf(value: unknown): number | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  if (typeof value !== 'string') return undefined;
  try {
    return parseBytes(value);
  } catch (error) {
    if (isGridError(error, 'BASE_SIZE_INVALID')) return undefined;
    throw error;
  }
}

function checkList(
  question: Question & { readonly kind: 'list' },
  value: unknown,
): readonly string[] {
  const { pattern, form, itemsMax } = question;
  const isGood = (one: unknown): one is string => typeof one === 'string' && isLike(pattern, one);
  if (!Array.isArray(value) || !value.every(isGood)) throw invalid(question, `give ${form}`);
  if (value.length <= itemsMax) return [...new Set(value)];
  throw invalid(question, `give ${itemsMax} at most`);
}

function isLike(pattern: string, text: string): boolean {
  return new RegExp(pattern, 'u').test(text);
}

function invalid({ name }: Question, why: string): GridError<SolutionErrorCode> {
  return new GridError('SOLUTION_ANSWER_INVALID', `${name}: ${why}`, {
    hint: `correct the answer ${name}`,
    details: { question: name, why },
  });
}

function unknownAnswer(
  asking: string,
  name: string,
  known: readonly string[],
): GridError<SolutionErrorCode> {
  const message = `${asking} does not ask ${JSON.stringify(name)}`;
  return new GridError('SOLUTION_ANSWER_UNKNOWN', message, {
    hint: `it asks ${known.join(', ')}`,
    details: { question: name },
  });
}
