import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@commongrid/base/testing';
import { canonicalBytes, sealBox, SealingKey, SigningKey } from '@commongrid/crypto';
import { fakeId } from '@commongrid/model/testing';
import fc from 'fast-check';
import { openMessage, sealMessage } from './message.ts';
import type { Message } from './message.ts';

const log = 'L'.repeat(43);
const [to, from] = [fakeId.bot(1), fakeId.bot(2)];
const bytesMax = 10_000;
const key = SigningKey.generate();
const receiver = SealingKey.generate();
const message: Message = {
  ...{ log, to, from, id: 'a'.repeat(22), expMs: 5, kind: 'counting.note' },
  body: { n: 1 },
};
const place = { log, to, bytesMax };

function sealed(what: Message = message): Promise<Uint8Array> {
  return sealMessage(what, key, { receiver: receiver.publicKey.text, bytesMax });
}

/** A box of whatever, as somebody else would make it. */
function box(value: unknown, info = `commongrid/bot-box/1\0${log}/${to}`): Promise<Uint8Array> {
  const options = { info: Buffer.from(info) };
  return sealBox(receiver.publicKey, canonicalBytes(value), options);
}

test('a message comes out as it went in, with the key that signed it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ noUnicodeString: false }), async (body) => {
      const what = { ...message, body: JSON.parse(JSON.stringify(body)) as unknown };
      const opened = await openMessage(await sealed(what), [receiver], place);
      assert.deepEqual(opened, { message: what, key: key.publicKey.text });
    }),
    { numRuns: 30 },
  );
});

test('a former key opens what was sealed to it', async () => {
  const next = SealingKey.generate();
  const opened = await openMessage(await sealed(), [next, receiver], place);
  assert.equal(opened.message.id, message.id);
});

test('a box that was changed, or is for somebody else, does not open', async () => {
  const bytes = await sealed();
  const other = SealingKey.generate();
  await assert.rejects(openMessage(bytes, [other], place), hasCode('BOT_MESSAGE_INVALID'));
  const elsewhere = { ...place, to: fakeId.bot(3) };
  await assert.rejects(openMessage(bytes, [receiver], elsewhere), hasCode('BOT_MESSAGE_INVALID'));
  const anotherLog = { ...place, log: 'M'.repeat(43) };
  await assert.rejects(openMessage(bytes, [receiver], anotherLog), hasCode('BOT_MESSAGE_INVALID'));
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
      const changed = new Uint8Array(bytes);
      changed[at] = (changed[at] ?? 0) ^ by;
      await assert.rejects(openMessage(changed, [receiver], place), hasCode('BOT_MESSAGE_INVALID'));
    }),
    { numRuns: 40 },
  );
});

test('a message that another key signed, or nobody, is refused', async () => {
  const signature = Buffer.from(SigningKey.generate().sign('commongrid/x/1', Buffer.alloc(1)));
  const signed = { message, key: key.publicKey.text, signature: signature.toString('base64url') };
  const forged = await box(signed);
  await assert.rejects(openMessage(forged, [receiver], place), hasCode('BOT_SIGNATURE_WRONG'));
  const otherLog = { ...signed, message: { ...message, log: 'M'.repeat(43) } };
  const foreign = await box(otherLog);
  await assert.rejects(openMessage(foreign, [receiver], place), hasCode('BOT_OTHER_LOG'));
  const misled = await box({ ...signed, message: { ...message, to: fakeId.bot(9) } });
  await assert.rejects(openMessage(misled, [receiver], place), hasCode('BOT_MESSAGE_INVALID'));
  const more = await box({ ...signed, more: 1 });
  await assert.rejects(openMessage(more, [receiver], place), hasCode('BOT_MESSAGE_INVALID'));
});

test('a message above the limit is neither sealed nor taken', async () => {
  const large = { ...message, body: 'x'.repeat(bytesMax) };
  await assert.rejects(sealed(large), hasCode('BOT_TOO_LARGE'));
  const options = { receiver: receiver.publicKey.text, bytesMax: 2 * bytesMax };
  const bytes = await sealMessage(large, key, options);
  await assert.rejects(openMessage(bytes, [receiver], place), hasCode('BOT_TOO_LARGE'));
});
