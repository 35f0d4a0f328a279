/*
 * The rival: the barest Node server that does what one S3 server on one disk has to do.
 * `node file-server-main.ts FOLDER`; prints its port. PUT takes the MD5 while it writes a file, syncs
 * the file, and the folder if the file is new, and answers with the ETag; GET sends the file.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const folder = process.argv[2] ?? '';
const folderFile = await open(folder);

async function put(path: string, from: IncomingMessage, answer: ServerResponse): Promise<void> {
  const hash = createHash('md5');
  const isNew = !existsSync(path);
  const file = await open(path, 'w');
  try {
    for await (const bytes of from as AsyncIterable<Buffer>) {
      hash.update(bytes);
      await file.write(bytes);
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  if (isNew) await folderFile.sync();
  answer.setHeader('etag', `"${hash.digest('hex')}"`);
  answer.end();
}

async function get(path: string, answer: ServerResponse): Promise<void> {
  const { size } = await stat(path);
  answer.setHeader('content-length', size);
  await pipeline(createReadStream(path), answer);
}

const server = createServer((from, answer) => {
  const path = join(folder, encodeURIComponent(from.url ?? ''));
  const done = from.method === 'PUT' ? put(path, from, answer) : get(path, answer);
  done.catch((error: unknown) => answer.destroy(error instanceof Error ? error : undefined));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
console.log(typeof address === 'object' ? address?.port : address);
