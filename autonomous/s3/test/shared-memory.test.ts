import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { askControl, seededRandom } from '@commongrid/base';
import type { Random } from '@commongrid/base';
import { controlPathOf } from '@commongrid/zstor';
import { ZdbFleet } from '@commongrid/zstor/testing';

import { fourPlusTwo, HeadProcess } from './support/head-process.ts';
import { sdkClient } from './support/sdk-client.ts';
import { signedHead } from './signed-request.ts';

/**
 * Memory of bodies and shards is used again as soon as nobody needs it. Were it given out too early,
 * bytes of one request would turn up in another: here in the answer, or in what is stored.
 */

const mebibyte = 2 ** 20;
/** Inline, copied, of one chunk whole and in part, and of several. */
const sizesBytes = [3_000, 70_000, 300_000, mebibyte, 4 * mebibyte, 9 * mebibyte + 77];
const rounds = process.env['GRID_TEST_LONG'] === '1' ? 200 : 8;
const bucket = 'memory';

test('no byte gets into another body, whoever goes away and whoever is late', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('memory');
  const folder = join(fleet.folder, 'head');
  const place = { folder, backendsFile, keyFile: join(fleet.folder, 'key'), policy: fourPlusTwo };
  await using head = await HeadProcess.open(place);
  const client = sdkClient({ port: head.port });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  const { port } = head;
  const stored = sizesBytes.map((sizeBytes, at) => contentOf(`stored-${at}`, sizeBytes));
  for (const [at, content] of stored.entries()) await put(port, `stored-${at}`, content);

  const reader = (random: Random) => async (): Promise<void> => {
    const at = random.int(0, sizesBytes.length);
    await assertSame(port, `stored-${at}`, stored[at]);
  };
  const writer = (random: Random, name: string) => async (round: number) => {
    // Under a name of its own: it stays, to be looked at in the end.
    const key = `${name}-${round}`;
    const content = contentOf(key, sizesBytes[random.int(2, sizesBytes.length)] ?? 0);
    await put(port, key, content);
    await assertSame(port, key, content);
  };
  const quitter = (random: Random, name: string) => async (round: number) => {
    const at = random.int(0, sizesBytes.length);
    const sizeBytes = sizesBytes[at] ?? 0;
    const stopBytes = random.int(0, sizeBytes);
    if (round % 2 === 0) await leaveAnswer(port, `stored-${at}`, stopBytes);
    else await leaveBody(port, name, contentOf(name, sizeBytes), stopBytes);
  };
  const makers = [
    reader,
    reader,
    reader,
    reader,
    writer,
    writer,
    writer,
    quitter,
    quitter,
    quitter,
  ];
  const actors = makers.map((make, at) => repeat(make(seededRandom(at), `own-${at}`)));
  // Their answers come late: other shards are asked for, and what is written waits to be sent.
  await Promise.all([...actors, fleet.stall([1, 4], 1_500, 3)]);

  for (const [at, content] of stored.entries()) await assertSame(port, `stored-${at}`, content);
  const found = await askControl(controlPathOf(folder), 'scrub', {});
  assert.equal((found as { readonly faults?: number }).faults, 0, JSON.stringify(found));
});

async function repeat(act: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < rounds; round++) await act(round);
}

/** Other bytes at each place, and for each name: a stretch tells whose it is. */
function contentOf(name: string, sizeBytes: number): Buffer {
  const line = Buffer.alloc(sizeBytes, `${name} of ${sizeBytes} bytes | `);
  for (let at = 0; at + 8 <= sizeBytes; at += 64) line.writeUInt32BE(at, at);
  return line;
}

async function put(port: number, key: string, content: Buffer): Promise<void> {
  const socket = await openWith(port, 'PUT', key, content.length);
  socket.write(content);
  const { head } = await answerOf(socket);
  assert.match(head, /^HTTP\/1\.1 200 /, key);
}

async function assertSame(port: number, key: string, content: Buffer | undefined): Promise<void> {
  const { head, body } = await answerOf(await openWith(port, 'GET', key));
  assert.match(head, /^HTTP\/1\.1 200 /, key);
  const isSame = content?.equals(body) === true;
  assert.ok(
    isSame,
    `${key}: ${body.length} bytes, wrong from ${firstDifference(content, body)} on`,
  );
}

function firstDifference(content: Buffer | undefined, body: Buffer): number {
  return body.findIndex((byte, at) => byte !== content?.[at]);
}

/** Takes so many bytes of an answer, and is gone. */
async function leaveAnswer(port: number, key: string, stopBytes: number): Promise<void> {
  const socket = await openWith(port, 'GET', key);
  let takenBytes = 0;
  socket.on('data', (part: Buffer) => {
    takenBytes += part.length;
    if (takenBytes > stopBytes) socket.resetAndDestroy();
  });
  await once(socket, 'close');
}

/** Sends so many bytes of a body, and is gone. */
async function leaveBody(
  port: number,
  key: string,
  content: Buffer,
  stopBytes: number,
): Promise<void> {
  const socket = await openWith(port, 'PUT', key, content.length);
  const closed = once(socket, 'close');
  socket.write(content.subarray(0, stopBytes), () => socket.resetAndDestroy());
  await closed;
}

async function openWith(
  port: number,
  method: string,
  key: string,
  sizeBytes?: number,
): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  const length = sizeBytes === undefined ? {} : { 'content-length': String(sizeBytes) };
  const headers = { ...length, connection: 'close' };
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(signedHead({ method, path: `/${bucket}/${key}`, headers }));
  return socket;
}

async function answerOf(socket: Socket): Promise<{ readonly head: string; readonly body: Buffer }> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  await once(socket, 'close');
  const all = Buffer.concat(parts);
  const end = all.indexOf('\r\n\r\n');
  return { head: all.toString('latin1', 0, end), body: all.subarray(end + 4) };
}
