import type { Clock } from '@commongrid/base';

import { S3Error } from '../protocol/s3-error.ts';
import type { S3Response } from '../protocol/s3-request.ts';
import { writeXml, xmlDeclaration } from '../protocol/xml-writer.ts';
import { refusalOf } from './refusal.ts';

/** Work that takes longer is answered 200 at once, and what became of it stands in the document. */
const quietMsMax = 5_000;
/** How often a client that waits gets a space. */
const spaceEveryMs = 10_000;

/**
 * Answers with the document that `work` makes. Long work keeps its connection alive with white
 * space, which XML allows between its declaration and the document; an error then is the document.
 * Source: CompleteMultipartUpload and CopyObject of the Amazon S3 API reference.
 */
export async function answerPatiently(
  clock: Clock,
  work: Promise<S3Response & { readonly body: string }>,
): Promise<S3Response> {
  const early = await firstOf(clock, work, quietMsMax);
  if (early !== undefined) return early;
  return { headers: { 'content-type': 'application/xml' }, body: spacesUntil(clock, work) };
}

async function* spacesUntil(
  clock: Clock,
  work: Promise<{ readonly body: string }>,
): AsyncGenerator<string, void> {
  yield xmlDeclaration;
  const settled = work.then(
    ({ body }) => body,
    (error: unknown) => errorDocument(refusalOf(error)),
  );
  for (;;) {
    const body = await firstOf(clock, settled, spaceEveryMs);
    if (body !== undefined) {
      yield body.slice(xmlDeclaration.length);
      return;
    }
    yield ' ';
  }
}

function errorDocument(error: unknown): string {
  const { s3Code, message } = error instanceof S3Error ? error : new S3Error('InternalError');
  return writeXml(
    'Error',
    [
      ['Code', s3Code],
      ['Message', message],
    ],
    false,
  );
}

/** undefined when the work takes longer. */
async function firstOf<T>(clock: Clock, work: Promise<T>, ms: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = clock.setTimer(ms, () => late.resolve(undefined));
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}
