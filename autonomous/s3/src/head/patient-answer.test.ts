import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { GridError } from '@commongrid/base';
import { ManualClock } from '@commongrid/base/testing';

import { S3Error } from '../protocol/s3-error.ts';
import type { S3Response } from '../protocol/s3-request.ts';
import { writeXml, xmlDeclaration } from '../protocol/xml-writer.ts';
import { answerPatiently } from './patient-answer.ts';

const body = writeXml('Done', 'yes');

/** What a client got of an answer that took `waitMs`. */
async function textOf(
  clock: ManualClock,
  answer: Promise<S3Response>,
  waitMs: number,
  settle: () => void,
): Promise<string> {
  await clock.advance(waitMs);
  const { status, body: pieces } = await answer;
  assert.equal(status, undefined);
  assert.ok(typeof pieces === 'object' && Symbol.asyncIterator in pieces);
  let text = '';
  const reading = (async () => {
    for await (const piece of pieces) text += String(piece);
  })();
  await clock.advance(20_000);
  settle();
  await reading;
  return text;
}

suite('an answer that may take long', () => {
  test('is a usual one when the work is quick', async () => {
    const headers = { 'x-amz-version-id': 'one' };
    const answer = await answerPatiently(new ManualClock(), Promise.resolve({ headers, body }));
    assert.deepEqual(answer, { headers, body });
  });

  test('is a usual error when the work fails quickly', async () => {
    const work = Promise.reject(new S3Error('InvalidPart'));
    await assert.rejects(answerPatiently(new ManualClock(), work), { s3Code: 'InvalidPart' });
  });

  test('has white space between its declaration and the document when the work is long', async () => {
    const clock = new ManualClock();
    const work = Promise.withResolvers<{ body: string }>();
    const answer = answerPatiently(clock, work.promise);
    const text = await textOf(clock, answer, 5_000, () => work.resolve({ body }));
    assert.equal(text, `${xmlDeclaration}  ${body.slice(xmlDeclaration.length)}`);
  });

  test('has the error as its document when long work fails', async () => {
    const clock = new ManualClock();
    const work = Promise.withResolvers<{ body: string }>();
    const answer = answerPatiently(clock, work.promise);
    const lost = new GridError('ZSTOR_CATALOG_RESULT_UNKNOWN', 'a text of the inside');
    const text = await textOf(clock, answer, 5_000, () => work.reject(lost));
    assert.match(text, /<Error><Code>ServiceUnavailable<\/Code>/);
    assert.doesNotMatch(text, /inside/);
  });
});
