import { GridError, isGridError } from '@commongrid/base';
import type { GridErrorJson } from '@commongrid/base';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { BcdbErrorCode } from '../../errors.ts';
import type { Receipt } from '../../sequencer/sequencer.ts';
import { toBase64url } from '../../tree/base64.ts';
import { decodeEntry } from '../record-text.ts';
import type { EntryText } from '../record-text.ts';
import type { DoorContext } from './door-context.ts';
import { route } from './route.ts';
import type { Route } from './route.ts';
import { entryText, errorReply, receipt } from './shapes.ts';

/** Records of one request. */
const sentRecordsMax = 1000;

const answer = Type.Object({
  receipt: Type.Optional(receipt),
  error: Type.Optional(errorReply),
});

/** Signed records: whoever has a key writes with these, and needs to show nothing else. */
export function recordRoutes(context: DoorContext): readonly Route[] {
  return [
    route({
      method: 'POST',
      path: '/v1/records',
      summary: 'Appends signed records; an answer for each, in order, once they are durable',
      body: Type.Object(
        { records: Type.Array(entryText, { minItems: 1, maxItems: sentRecordsMax }) },
        { additionalProperties: false },
      ),
      reply: Type.Object({ answers: Type.Array(answer) }),
      handle: async ({ body: { records } }) => ({
        answers: await Promise.all(records.map((record) => appendOne(context, record))),
      }),
    }),
  ];
}

export function receiptText({ seq, version, head }: Receipt): Static<typeof receipt> {
  return { seq, version, head: { size: head.size, root: toBase64url(head.root) } };
}

async function appendOne(
  { bcdb, metrics, logger }: DoorContext,
  text: EntryText,
): Promise<Static<typeof answer>> {
  try {
    const done = await metrics.append(async () => bcdb.append(decodeEntry(text)));
    return { receipt: receiptText(done) };
  } catch (error) {
    const known = isGridError(error) ? error : internalFault(error);
    if (known !== error) logger.error({ err: error }, 'append failed');
    metrics.refused(known.code);
    return { error: errorText(known) };
  }
}

function errorText(error: GridError): GridErrorJson {
  return error.toJSON();
}

/** What a caller is told of a fault that is none of his business. */
export function internalFault(cause: unknown): GridError<BcdbErrorCode> {
  return new GridError('BCDB_INTERNAL', 'the server has a fault', {
    hint: 'its log says more',
    cause,
  });
}
