import type { Question, Questionnaire } from './question.ts';

/** JSON Schema of a file with answers. Members beginning with `x-` say how a form asks. */
export function answersSchema({ command, summary, questions }: Questionnaire): object {
  const asked = questions.filter((one) => one.when === undefined && one.kind !== 'secret');
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `Answers of Commongrid: ${command}`,
    description: summary,
    type: 'object',
    additionalProperties: false,
    properties: {
      $schema: { type: 'string' },
      ...Object.fromEntries(questions.map((one) => [one.name, propertyOf(one)])),
    },
    required: asked.filter((one) => !hasDefault(one)).map((one) => one.name),
  };
}

function hasDefault(question: Question): boolean {
  return question.kind === 'secret' || question.default !== undefined;
}

function propertyOf(question: Question): object {
  const { text, kind, when } = question;
  const common = {
    description: text,
    ...(when === undefined ? {} : { 'x-when': when }),
    ...(kind === 'secret' || question.default === undefined ? {} : { default: question.default }),
  };
  switch (kind) {
    case 'text': {
      const { pattern, charactersMax: maxLength } = question;
      return {
        ...common,
        type: 'string',
        maxLength,
        ...(pattern === undefined ? {} : { pattern }),
      };
    }
    case 'secret': {
      const { pattern, charactersMax: maxLength } = question;
      return { ...common, type: 'string', maxLength, pattern, 'x-secret': true };
    }
    case 'whole':
    case 'number': {
      const { min: minimum, max: maximum } = question;
      return { ...common, type: kind === 'whole' ? 'integer' : 'number', minimum, maximum };
    }
    case 'size': {
      const { minBytes: minimum, maxBytes: maximum } = question;
      const bytes = { type: 'integer', minimum, maximum };
      const shown = { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)? ?(B|[kKMGTP]B|[KMGTP]iB)?$' };
      return { ...common, anyOf: [shown, bytes], 'x-bytes': { minimum, maximum } };
    }
    case 'choice': {
      const offered = question.choices.map(({ value, text: title }) => ({ const: value, title }));
      return { ...common, oneOf: offered };
    }
    case 'list': {
      const { pattern, itemsMax: maxItems } = question;
      return { ...common, type: 'array', maxItems, items: { type: 'string', pattern } };
    }
    default:
      return question satisfies never;
  }
}
