import type { ContractDefinition } from '@commongrid/contract';

import type { Answers, AnswersOf, Question, Questionnaire } from './question.ts';

/** So many random bytes. */
export type Draw = (count: number) => Uint8Array;

/** A ready-made contract: what is asked, and what is made of the answers. */
export interface Solution extends Questionnaire {
  /** @param answers to all of its questions that are asked, as `readAnswers` and `withDefaults` give them */
  make(answers: Answers, draw: Draw): MadeSolution;
}

/** What answers come to. */
export interface MadeSolution {
  readonly definition: ContractDefinition;
  /** Images that can be made where the hub does not have them, by their name there. */
  readonly images: Readonly<Record<string, ImageRecipe>>;
  /** What opens it, by the names of files in which its owner keeps it. */
  readonly credentials: Readonly<Record<string, string>>;
  /** How it is used, a line each, once it runs. */
  use(place: UsePlace): readonly string[];
}

/** What an image is made of. */
export type ImageRecipe =
  /** This grid itself. */
  | { readonly of: 'system' }
  /** Programs of the machine, which are in these packages of Debian, and a shell. */
  | {
      readonly of: 'programs';
      readonly packages: readonly string[];
      /** Absolute paths. */
      readonly programs: readonly string[];
    };

/** Where what runs is reached. */
export interface UsePlace {
  /** `HOST:PORT` of each replica of a role that publishes a port. */
  readonly addresses: (role: string) => readonly string[];
  /** Path of the file that has a credential. */
  readonly file: (credential: string) => string;
}

/** What an author writes: the types of the answers follow from the questions. */
export function solution<const Questions extends readonly Question[]>({
  make,
  ...rest
}: {
  readonly name: string;
  readonly summary: string;
  readonly questions: Questions;
  readonly make: (answers: AnswersOf<Questions>, draw: Draw) => MadeSolution;
}): Solution {
  return {
    ...rest,
    command: `grid deploy ${rest.name}`,
    make: (answers, draw) => make(answers as AnswersOf<Questions>, draw),
  };
}

/** A question that all solutions have. @param name what it is called unless somebody says otherwise */
export function nameQuestion<Name extends string>(name: Name) {
  return {
    name: 'name',
    text: 'What it is called',
    kind: 'text',
    default: name,
    pattern: '^[a-z][a-z0-9-]{0,39}$',
    form: 'small letters, digits and -, with a letter first, 40 characters at most',
    charactersMax: 40,
  } as const;
}

/** A port of the nodes' own addresses. */
export function portQuestion<Port extends number>(port: Port) {
  return {
    name: 'publish',
    text: 'Port at which others reach it',
    kind: 'whole',
    default: port,
    min: 1,
    max: 65_535,
  } as const;
}
