import { readTextIfThere, writeFileAtomic } from '@commongrid/base';
import type { ControllerMemory } from '@commongrid/contract';

/** What the controller of a bot saw, in a file of its folder: the next one goes on with it. */
export class ControllerFile implements ControllerMemory {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Undefined also where the file is no JSON: nothing depends on it but how careful a controller is. */
  async read(): Promise<unknown> {
    const text = await readTextIfThere(this.#path);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  async write(value: unknown): Promise<void> {
    await writeFileAtomic(this.#path, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  }
}
