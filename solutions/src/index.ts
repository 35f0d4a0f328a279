export { answersSchema } from './answers-schema.ts';
export type { SolutionErrorCode } from './errors.ts';
export type { Answers, AnswersOf, AnswerValue, Question, Questionnaire } from './question.ts';
export {
  defaultOf,
  missingAnswers,
  openQuestions,
  parseAnswer,
  readAnswers,
  withDefaults,
} from './read-answers.ts';
export type { Draw, ImageRecipe, MadeSolution, Solution, UsePlace } from './solution.ts';
export { findSolution, solutions } from './solutions.ts';
