import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';

import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { ZdbFleet } from '@commongrid/zstor/testing';

import { fourPlusTwo, HeadProcess } from './support/head-process.ts';
import { exchange } from './support/raw-exchange.ts';
import { sdkClient } from './support/sdk-client.ts';
import { signedHead } from './signed-request.ts';

const kibibyte = 2 ** 10;
const bucket = 'slow';
const uploads = 80;
const sizeBytes = 4096 * kibibyte;
/** More than a chunk begins with, at once, and then a little all the time. */
const sentAtOnceBytes = 300 * kibibyte;
const stepBytes = 16 * kibibyte;
const stepMs = 250;

test('slow uploads of one key leave room for a quick one, and go on', async () => {
  await using fleet = await ZdbFleet.open(6);
  const backendsFile = await fleet.makeStore('slow');
  const folder = join(fleet.folder, 'head');
  const place = { folder, backendsFile, keyFile: join(fleet.folder, 'key'), policy: fourPlusTwo };
  await using head = await HeadProcess.open(place);
  const { port } = head;
  const client = sdkClient({ port });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();

  const slow: SlowUpload[] = [];
  const trickle = setInterval(() => {
    for (const upload of slow) upload.step();
  }, stepMs);
  try {
    for (let at = 0; at < uploads; at++) slow.push(await SlowUpload.begin(port, `slow-${at}`));
    const large = contentOf('quick', 8 * 1024 * kibibyte);
    assert.equal(await put(port, 'quick', large), 200);
  } finally {
    clearInterval(trickle);
  }
  // Some had a whole chunk to fill, others never.
  const kept = slow.filter((_, at) => at % 16 === 0);
  for (const upload of slow) if (!kept.includes(upload)) upload.leave();
  for (const upload of kept) upload.finish();
  for (const { key, answer } of kept) {
    assert.match(await answer, /^HTTP\/1.1 200 /, key);
    const { body } = await exchange(port, headOf('GET', key));
    assert.ok(Buffer.from(body, 'latin1').equals(contentOf(key, sizeBytes)), key);
  }
});

/** An upload whose body comes a little at a time. */
class SlowUpload {
  readonly key: string;
  /** The head of its answer. */
  readonly answer: Promise<string>;
  readonly #socket: Socket;
  readonly #content: Buffer;
  #sentBytes = 0;

  private constructor(socket: Socket, key: string) {
    this.key = key;
    this.#socket = socket;
    this.#content = contentOf(key, sizeBytes);
    socket.on('error', () => {});
    socket.setEncoding('latin1');
    this.answer = once(socket, 'data').then(([text]) => String(text));
    // Nobody may wait for it yet.
    this.answer.catch(() => {});
  }

  static async begin(port: number, key: string): Promise<SlowUpload> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(headOf('PUT', key, sizeBytes));
    const upload = new SlowUpload(socket, key);
    upload.#send(sentAtOnceBytes);
    return upload;
  }

  step(): void {
    if (this.#sentBytes + stepBytes < sizeBytes) this.#send(stepBytes);
  }

  finish(): void {
    this.#send(sizeBytes - this.#sentBytes);
  }

  leave(): void {
    this.#socket.destroy();
  }

  #send(bytes: number): void {
    this.#socket.write(this.#content.subarray(this.#sentBytes, this.#sentBytes + bytes));
    this.#sentBytes += bytes;
  }
}

async function put(port: number, key: string, content: Buffer): Promise<number> {
  const { status } = await exchange(
    port,
    Buffer.concat([Buffer.from(headOf('PUT', key, content.length)), content]),
  );
  return status;
}

function headOf(method: string, key: string, bodyBytes = 0): string {
  const headers = { 'content-length': String(bodyBytes), connection: 'close' };
  return signedHead({ method, path: `/${bucket}/${key}`, headers });
}

/** Other bytes at each place, and for each name. */
function contentOf(name: string, lengthBytes: number): Buffer {
  const line = Buffer.alloc(lengthBytes, `${name} | `);
  for (let at = 0; at + 8 <= lengthBytes; at += 64) line.writeUInt32BE(at, at);
  return line;
}
