import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextIfThere, writeFileAtomic } from '@commongrid/base';
import type { GridError } from '@commongrid/base';
import type { HeadsKeeper } from '../../src/index.ts';

type Kept = NonNullable<Awaited<ReturnType<HeadsKeeper['newest']>>>;

/** Keeps the newest head of a log in a file, and evidence beside it. */
export class KeptHeads implements HeadsKeeper {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get evidenceFile(): string {
    return join(this.#folder, 'evidence.json');
  }

  async newest(): Promise<Kept | undefined> {
    const text = await readTextIfThere(join(this.#folder, 'head.json'));
    return text === undefined ? undefined : (JSON.parse(text) as Kept);
  }

  async keep(head: Kept): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await writeFileAtomic(join(this.#folder, 'head.json'), JSON.stringify(head));
  }

  async keepEvidence(error: GridError): Promise<string> {
    await mkdir(this.#folder, { recursive: true });
    await writeFile(this.evidenceFile, JSON.stringify(error));
    return this.evidenceFile;
  }
}
