import { statSync } from 'node:fs';
import { join } from 'node:path';

import { errorCode, repeat, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';

import type { Loss } from '../driver.ts';
import type { ContainerRuntime } from './container-runtime.ts';
import type { Guards } from './guards.ts';
import type { Images } from './images.ts';

export interface ContainerLossesOptions {
  readonly runtime: Pick<ContainerRuntime, 'isSupervised' | 'made' | 'pidOf'>;
  readonly images: Pick<Images, 'revive'>;
  readonly rootsFolder: string;
  readonly guards: Pick<Guards, 'look'>;
  readonly clock?: Clock;
}

/** How often it is looked, ms: nothing tells that a conmon or an image service was killed. */
const lookEveryMs = 5_000;
/** What was told, and has not changed, is told again after so long, and all is looked at anew, ms. */
const againAfterMs = 60_000;

/** What is seen of a container that may have lost something. */
interface Suspicion {
  readonly what: Loss | 'process';
  readonly pid: number | undefined;
}

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
    const used = deviceOf(rootOf(runtime.pidOf(key)));
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
   * Calls the listener with each container that may have lost something: at once, when what is seen of
   * it changes, and now and then while it does not. Sees to it that single writers have their guards, and
   * that the image service runs: until then nobody can say which mounts are dead.
   */
  watch(listener: (key: string) => void): Disposable {
    const { runtime, images, guards, clock = systemClock } = this.#options;
    const closing = new AbortController();
    const { signal } = closing;
    const devices = new Map<string, number>();
    const told = new Map<string, Suspicion & { readonly atMs: number }>();
    let checkedMs = clock.monotonicMs();
    const look = async (): Promise<void> => {
      guards.look();
      const keys = await runtime.made();
      if (keys.length > 0) await images.revive(signal);
      forgetOthers(keys, devices, told);
      const atMs = clock.monotonicMs();
      if (atMs >= checkedMs + againAfterMs) {
        devices.clear();
        checkedMs = atMs;
      }
      for (const key of keys) {
        const seen = this.#suspicionOf(key, devices);
        const { what, pid, atMs: toldMs = 0 } = told.get(key) ?? {};
        if (seen === undefined) told.delete(key);
        else if (seen.what !== what || seen.pid !== pid || atMs >= toldMs + againAfterMs) {
          told.set(key, { ...seen, atMs });
          listener(key);
        }
      }
    };
    // What cannot be looked at now is looked at later.
    void repeat(lookEveryMs, look, { signal, clock, onError: () => {} });
    return { [Symbol.dispose]: () => closing.abort() };
  }

  /**
   * @param devices those of roots that containers were seen to have: as long as one lives, nothing
   *   else has its device
   */
  #suspicionOf(key: string, devices: Map<string, number>): Suspicion | undefined {
    const { runtime, rootsFolder } = this.#options;
    const isSupervised = runtime.isSupervised(key);
    const mounted = deviceOf(join(rootsFolder, key));
    if (isSupervised && mounted !== undefined && mounted === devices.get(key)) return undefined;
    const pid = runtime.pidOf(key);
    const used = deviceOf(rootOf(pid));
    if (used === undefined) devices.delete(key);
    else devices.set(key, used);
    if (isSupervised && used !== undefined && used === mounted) return undefined;
    if (used === undefined) return { what: 'process', pid };
    return { what: isSupervised ? 'image' : 'supervisor', pid };
  }
}

function forgetOthers(keys: readonly string[], ...maps: readonly Map<string, unknown>[]): void {
  const known = new Set(keys);
  for (const map of maps) {
    for (const key of map.keys()) if (!known.has(key)) map.delete(key);
  }
}

function rootOf(pid: number | undefined): string {
  return `/proc/${pid}/root`;
}

/** Undefined where there is nothing, or nobody serves it. */
function deviceOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.dev;
  } catch (error) {
    if (unserved.has(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

const unserved: ReadonlySet<string> = new Set(['ENOTCONN', 'EIO', 'ESRCH']);
