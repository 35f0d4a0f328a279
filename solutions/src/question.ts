/** What a solution asks. Questions are data: a terminal, a form or a chat may ask them. */
export type Question =
  | (Asked & {
      readonly kind: 'text';
      /** Regular expression that all of it matches. */
      readonly pattern?: string;
      /** What such a text is, for those who gave another one. */
      readonly form?: string;
      readonly charactersMax: number;
      readonly default?: string;
    })
  | (Asked & {
      readonly kind: 'whole' | 'number';
      readonly min: number;
      readonly max: number;
      readonly default?: number;
    })
  /** Bytes. People write `10GiB`. */
  | (Asked & {
      readonly kind: 'size';
      readonly minBytes: number;
      readonly maxBytes: number;
      readonly default?: string;
    })
  | (Asked & {
      readonly kind: 'choice';
      readonly choices: readonly Choice[];
      readonly default?: string;
    })
  /** Texts; people write them with commas between. */
  | (Asked & {
      readonly kind: 'list';
      /** Of each text. */
      readonly pattern: string;
      readonly form: string;
      readonly itemsMax: number;
      readonly default?: readonly string[];
    })
  /** A text that is not shown. Without an answer one of so many characters is made. */
  | (Asked & {
      readonly kind: 'secret';
      readonly pattern: string;
      readonly form: string;
      readonly charactersMax: number;
      readonly generate: number;
    });

/** Questions that are asked together. */
export interface Questionnaire {
  /** What people call it by that asks them. */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** The command that asks them, in words: it has the options `--answers` and `--schema`. */
  readonly command: string;
  readonly questions: readonly Question[];
}

interface Asked {
  readonly name: string;
  /** One line. */
  readonly text: string;
  /** Asked only after this answer to an earlier question. */
  readonly when?: { readonly question: string; readonly is: string };
}

export interface Choice {
  readonly value: string;
  readonly text: string;
}

/** Bytes are a number. */
export type AnswerValue = string | number | readonly string[];

/** By the names of questions. */
export type Answers = Readonly<Record<string, AnswerValue>>;

/** The answers to these questions, by name; undefined where a question is not asked. */
export type AnswersOf<Questions extends readonly Question[]> = {
  readonly [One in Questions[number] as One['name']]:
    | ValueOf<One>
    | (One extends { readonly when: object } ? undefined : never);
};

type ValueOf<One extends Question> = One extends { readonly kind: 'whole' | 'number' | 'size' }
  ? number
  : One extends { readonly kind: 'choice'; readonly choices: readonly (infer Offered)[] }
    ? Offered extends Choice
      ? Offered['value']
      : never
    : One extends { readonly kind: 'list' }
      ? readonly string[]
      : string;
