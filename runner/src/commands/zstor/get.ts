import { createHash } from 'node:crypto';
import { link, open, unlink } from 'node:fs/promises';
import { basename } from 'node:path';

import { formatBytes, GridError } from '@commongrid/base';
import type { Stor, StorFile, ZstorErrorCode } from '@commongrid/zstor';
import type { Command } from 'commander';

import { printResult } from '../../command-context.ts';
import type { CommandContext } from '../../command-context.ts';
import { tempBeside, unwritten } from '../../key-file.ts';
import { withByteProgress } from '../../byte-progress.ts';
import { storeCommand, withStore } from './store.ts';
import type { StoreOptions } from './store.ts';

type Write = (bytes: Buffer) => Promise<void>;

export function zstorGetCommand(context: CommandContext): Command {
  return storeCommand('get', 'Bring a file back.')
    .argument('<name>', 'its name in the store')
    .argument('[file]', 'the file to make, or - for stdout; default: the name')
    .action(async (name: string, given: string | undefined, options: StoreOptions) => {
      const file = given ?? basename(name);
      const found = await withStore(context, options, async (store, signal) => {
        if (file === '-') return fetchFile(context, store, name, signal, writeOut);
        return intoNewFile(file, (write) => fetchFile(context, store, name, signal, write));
      });
      // Stdout has the bytes.
      if (file === '-') return;
      const result = { schema: 'grid.zstor.get.1', file, ...found };
      printResult(context, options, result, () => {
        return `${name} is in ${file}, ${formatBytes(found.sizeBytes)}, SHA-256 ${found.sha256}`;
      });
    });
}

async function fetchFile(
  { terminal }: CommandContext,
  store: Stor,
  name: string,
  signal: AbortSignal,
  write: Write,
): Promise<StorFile> {
  const file = store.stat(name);
  const hash = createHash('sha256');
  await withByteProgress(terminal, `getting ${name}`, async (onProgress) => {
    let doneBytes = 0;
    for await (const bytes of store.get(name, { signal })) {
      hash.update(bytes);
      await write(bytes);
      doneBytes += bytes.length;
      onProgress({ doneBytes, totalBytes: file.sizeBytes });
    }
  });
  if (hash.digest('hex') === file.sha256) return file;
  throw new GridError<ZstorErrorCode>(
    'ZSTOR_CHUNK_CORRUPT',
    `${name} was replaced while it was read, or is not what was put`,
    { hint: 'get it again', retryable: true, details: { name } },
  );
}

/** The file appears under its name once it is whole. @throws GRID_FILE_EXISTS, GRID_FILE_UNWRITABLE */
async function intoNewFile<T>(file: string, work: (write: Write) => Promise<T>): Promise<T> {
  const temp = tempBeside(file);
  try {
    const handle = await open(temp, 'wx');
    let result: T;
    try {
      result = await work((bytes) => handle.writeFile(bytes));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temp, file);
    return result;
  } catch (error) {
    throw unwritten(file, error);
  } finally {
    // There may be none.
    await unlink(temp).catch(() => {});
  }
}

function writeOut(bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
