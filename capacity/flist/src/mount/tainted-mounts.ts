import type { Logger } from '@commongrid/base';

import type { ImageMounts } from './image-mounts.ts';

/**
 * Mounts of which content was found damaged while they were mounted. An overlay goes on to read from
 * a file that it has once found, though the store has replaced it: only a mount that is new sees
 * the other one. Those that are to be mounted anew are, as soon as nobody uses them.
 */
export class TaintedMounts {
  readonly #logger: Logger;
  readonly #ids = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(ids: Iterable<string>): void {
    for (const id of ids) this.#ids.add(id);
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** It is not mounted any more, or anew. */
  forget(id: string): void {
    this.#ids.delete(id);
  }

  /** Mounts anew what is to be and can be. The rest is tried again with the next call. */
  async remount(mounts: ImageMounts): Promise<void> {
    for (const id of [...this.#ids]) {
      if (mounts.get(id)?.whenDamaged !== 'remount') continue;
      try {
        await mounts.remount(id);
        this.#ids.delete(id);
        this.#logger.info({ id }, 'a mount with damaged content was mounted anew');
      } catch (err) {
        // Whatever it is, the others are not left as they are for it.
        if (mounts.get(id) === undefined) this.#ids.delete(id);
        this.#logger.warn({ err, id }, 'a mount with damaged content cannot be mounted anew yet');
      }
    }
  }
}
