import { mkdirSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode } from '@commongrid/base';

/** `FOLDER/ab/ab01...`: 256 folders, so that none has too many names. */
export function fannedPath(folder: string, name: string): string {
  return `${folder}/${name.slice(0, 2)}/${name}`;
}

/** Makes the folder with its 256 folders, where they are not there. */
export async function makeFannedFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const there = new Set(await readdir(folder));
  for (const fan of fans()) {
    // Milliseconds in all; 256 trips to the thread pool take much longer on a busy machine.
    if (!there.has(fan)) mkdirSync(join(folder, fan));
  }
}

/** All names in it with their paths, in order; those of one of the 256 folders at a time. */
export async function* fannedNames(
  folder: string,
): AsyncGenerator<{ readonly name: string; readonly path: string }, void> {
  for (const fan of fans()) {
    const within = join(folder, fan);
    const names = await readdir(within).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    });
    for (const name of names.toSorted(byText)) yield { name, path: join(within, name) };
  }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function* fans(): Generator<string, void> {
  for (let fan = 0; fan < 256; fan++) yield fan.toString(16).padStart(2, '0');
}
