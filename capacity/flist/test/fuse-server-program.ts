import { existsSync } from 'node:fs';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { createLogger, onShutdownSignals, waitFor } from '@commongrid/base';

import { FuseServer } from '../src/fuse/fuse-server.ts';
import { fuseDescriptor } from '../src/fuse/fuse-holder.ts';

/**
 * `fuse-server-program.ts FOLDER SESSION`: shows the images in FOLDER/images. Content that is not in
 * FOLDER/objects is waited for in
 * FOLDER/source. With a file FOLDER/forgets the kernel is taken for one that does not ask again.
 */
const [folder = '', session = '{}'] = process.argv.slice(2);
const names = await readdir(join(folder, 'images'));
const images = names.map(async (name) => ({
  name,
  bytes: await readFile(join(folder, 'images', name)),
  tree: { uidShift: 0, gidShift: 0, isTraced: true },
}));
const server = await FuseServer.open({
  fd: fuseDescriptor,
  session: existsSync(join(folder, 'forgets')) ? { canResend: false } : JSON.parse(session),
  openRequestsPath: join(folder, 'open-requests'),
  mountPoint: join(folder, 'fuse'),
  secret: Buffer.alloc(32, 5),
  objectsFolder: join(folder, 'objects'),
  chunksFolder: join(folder, 'chunks'),
  fetcher: {
    read: async ({ id, offset, length }, signal) => {
      await appendFile(join(folder, `asked-${id}`), '.');
      const path = join(folder, 'source', id);
      await waitFor(() => existsSync(path), { timeoutMs: 60_000, what: path, signal });
      return [(await readFile(path)).subarray(offset, offset + length)];
    },
  },
  images: await Promise.all(images),
  logger: createLogger('test-server', { level: 'warn' }),
});
await writeFile(join(folder, 'server.pid'), String(process.pid));
onShutdownSignals(() => void server.close());
await server.ended;
