import { statSync } from 'node:fs';
import { join } from 'node:path';

import { errorCode, repeat } from '@commongrid/base';

import type { Loss } from '../driver.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import type { Images } from './images.ts';

export interface ContainerLossesOptions {
  readonly runtime: ContainerRuntime;
  readonly images: Images;
  readonly rootsFolder: string;
}

/** How often it is looked, ms: nothing tells that a conmon or an image service was killed. */
const lookEveryMs = 5_000;

/** What containers that run have lost. Nothing here waits: it is asked often, of all of them. */
export class ContainerLosses {
  readonly #options: ContainerLossesOptions;

  constructor(options: ContainerLossesOptions) {
    this.#options = options;
  }

  /** Of a container that runs. */
  of(key: string): Loss | undefined {
    const { runtime, rootsFolder } = this.#options;
    if (!runtime.isSupervised(key)) return 'supervisor';
    const mounted = deviceOf(join(rootsFolder, key));
    const used = deviceOf(`/proc/${runtime.pidOf(key)}/root`);
    // A service that begins anew mounts anew what a dead one showed: the container has the old one.
    return used === undefined || used === mounted ? undefined : 'image';
  }

  /** Whether its image is mounted. */
  hasRoot(key: string): boolean {
    const { rootsFolder } = this.#options;
    const device = deviceOf(join(rootsFolder, key));
    return device !== undefined && device !== deviceOf(rootsFolder);
  }

  /**
   * Calls the listener with each container that may have lost something, again and again while it
   * has. Sees to it that the image service runs: until then nobody can say which mounts are dead.
   */
  watch(listener: (key: string) => void): Disposable {
    const { runtime, images } = this.#options;
    const closing = new AbortController();
    const { signal } = closing;
    const look = async (): Promise<void> => {
      const keys = await runtime.made();
      if (keys.length === 0) return;
      await images.revive(signal);
      for (const key of keys) if (this.of(key) !== undefined) listener(key);
    };
    // What cannot be looked at now is looked at later.
    void repeat(lookEveryMs, look, { signal, onError: () => {} });
    return { [Symbol.dispose]: () => closing.abort() };
  }
}

/** Undefined where there is nothing, or nobody serves it. */
function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).dev;
  } catch (error) {
    if (unserved.has(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

const unserved: ReadonlySet<string> = new Set(['ENOENT', 'ENOTCONN', 'EIO', 'ESRCH']);
