import { formatBytes, GridError, parseBytes } from '@commongrid/base';
import { answersSchema, readAnswers } from '@commongrid/solutions';
import type { Answers, AnswersOf, Question, Questionnaire } from '@commongrid/solutions';
import type * as DemoDoor from '@commongrid/system/demo';
import type { Shards, TownSize } from '@commongrid/system/demo';

import type { CommandContext } from '../command-context.ts';
import { canAsk, requireYes } from '../confirm.ts';
import type { GridErrorCode } from '../errors.ts';
import { answersOfFile, completeAnswers } from '../solutions/find-answers.ts';
import type { AnswerOptions } from '../solutions/find-answers.ts';

/** How big a demo of the archive is. */
export interface ArchiveSize {
  readonly nodes: TownSize;
  readonly shards: Shards;
  /** Of the objects that are loaded, bytes. */
  readonly dataBytes: number;
}

/** What options say about it. */
export type SizeOptions = AnswerOptions & {
  readonly nodes?: string;
  readonly shards?: string;
  /** Bytes. */
  readonly data?: number;
};

/** What the size of a demo is held against. */
type Towns = Pick<typeof DemoDoor, 'bearsLosses' | 'townDiskBytes' | 'townPlan'>;

/** Has all questions of a questionnaire answered, beside those that are. */
type Complete = (questionnaire: Questionnaire, given: Answers) => Promise<Answers>;

/** What it is without another word, and how long it took on two cores with nothing else to do. */
const usual = {
  24: { shards: '16+4', data: '2GiB', minutes: 14 },
  8: { shards: '4+2', data: '200MB', minutes: 6 },
} as const;

const command = 'grid demo archive';

/**
 * How big the demo is, by options, then a file of answers; what these leave open a person at a terminal is asked, and whether
 * to go on. Everywhere else it is as usual.
 * @param folder of the demo, for people
 * @throws GRID_USAGE where it is not to begin, or the town cannot bear what is taken from it; and what `answersOfFile` and
 * `completeAnswers` throw
 */
export async function findSize(
  context: CommandContext,
  towns: Towns,
  options: SizeOptions & { readonly folder: string },
): Promise<ArchiveSize> {
  const { answers: file, yes, json, folder } = options;
  const questionnaire = archiveQuestions(24, towns);
  const ofFile = await answersOfFile(questionnaire, file);
  const given = { ...ofFile, ...readAnswers(questionnaire, answersOf(options)) };
  const isAsked = yes !== true && canAsk(context, { json });
  const by = isAsked ? {} : { yes: true as const };
  const size = await chooseSize(given, towns, (some, known) =>
    completeAnswers(context, some, known, by),
  );
  if (isAsked && file === undefined) {
    await requireYes(context, {}, goOn(size, towns, folder));
  }
  return size;
}

/** @throws GRID_USAGE for shards that a town of so many machines does not bear, and what `complete` throws */
export async function chooseSize(
  given: Answers,
  towns: Towns,
  complete: Complete,
): Promise<ArchiveSize> {
  // How many machines there are decides what else is usual.
  const first = archiveQuestions(24, towns);
  const { nodes: wanted } = given;
  const known = wanted === undefined ? {} : { nodes: wanted };
  const town = await complete({ ...first, questions: first.questions.slice(0, 1) }, known);
  const nodes = town['nodes'] === '8' ? 8 : 24;
  const all = await complete(archiveQuestions(nodes, towns), { ...given, ...town });
  const { shards: text, data: dataBytes } = all as SizeAnswers;
  const shards = shardsOf(text);
  if (towns.bearsLosses(towns.townPlan(nodes, shards, dataBytes), shards)) {
    return { nodes, shards, dataBytes };
  }
  const message = `${nodes} machines are too few for ${text} shards once a farm is lost`;
  throw new GridError<GridErrorCode>('GRID_USAGE', message, {
    hint: `${command} --nodes ${nodes} --shards ${usual[nodes].shards}`,
    details: { nodes, shards: text },
  });
}

/** JSON Schema of a file with answers. */
export function archiveSchema(towns: Towns): object {
  return answersSchema(archiveQuestions(24, towns));
}

type SizeAnswers = AnswersOf<ReturnType<typeof questionsOf>>;

/** @param nodes in the town: its defaults */
function archiveQuestions(nodes: TownSize, towns: Towns): Questionnaire {
  return {
    ...{ name: 'archive', command, questions: questionsOf(nodes, towns) },
    summary: 'an archive rented from many farmers, from which machines, a farm and more are taken',
  };
}

function questionsOf(nodes: TownSize, towns: Towns) {
  const offer = (size: TownSize): string => {
    const { shards, data, minutes } = usual[size];
    const disk = diskOf(
      { nodes: size, shards: shardsOf(shards), dataBytes: parseBytes(data) },
      towns,
    );
    return `${data} of data, ${disk} of disk, ${minutes} minutes on two quiet cores`;
  };
  return [
    {
      name: 'nodes',
      text: 'How many machines',
      kind: 'choice',
      default: '24',
      choices: [
        { value: '24', text: `24 in 6 farms: ${offer(24)}` },
        { value: '8', text: `8 in 4 farms: ${offer(8)}` },
      ],
    },
    {
      name: 'shards',
      text: `Data and parity shards: as many as the second may be lost; usual are ${usual[24].shards}, with 8 machines ${usual[8].shards}`,
      kind: 'text',
      default: usual[nodes].shards,
      charactersMax: 5,
      pattern: '^[1-9][0-9]?\\+[1-9][0-9]?$',
      form: 'two numbers such as 4+2 or 16+4',
    },
    {
      name: 'data',
      text: `How much data; usual is ${usual[24].data}, with 8 machines ${usual[8].data}`,
      kind: 'size',
      default: usual[nodes].data,
      minBytes: 2 ** 25,
      maxBytes: 2 ** 40,
    },
  ] as const satisfies readonly Question[];
}

/** Options as answers. */
function answersOf({ nodes, shards, data }: SizeOptions): Answers {
  return {
    ...(nodes === undefined ? {} : { nodes }),
    ...(shards === undefined ? {} : { shards }),
    ...(data === undefined ? {} : { data }),
  };
}

/** Of a text that is like its question asks. */
function shardsOf(text: string): Shards {
  const [data = 0, parity = 0] = text.split('+').map(Number);
  return { data, parity };
}

/** What is asked last. */
function goOn(size: ArchiveSize, towns: Towns, folder: string) {
  const { nodes, shards, dataBytes } = size;
  const town = `${nodes} machines and ${formatBytes(dataBytes)} of data`;
  const takes = `${diskOf(size, towns)} of disk in ${folder}, and about ${usual[nodes].minutes} minutes`;
  const words = `--nodes ${nodes} --shards ${shards.data}+${shards.parity} --data ${dataBytes}`;
  return {
    message: `${town} take ${takes}. Go on?`,
    refused: 'nothing was begun',
    command: `${command} ${words} --yes`,
  };
}

function diskOf({ nodes, shards, dataBytes }: ArchiveSize, towns: Towns): string {
  return formatBytes(towns.townDiskBytes(towns.townPlan(nodes, shards, dataBytes)));
}
