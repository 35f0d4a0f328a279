import type { IdShift } from '../erofs/shift-ids.ts';
import type { FlistDigest } from '../format/flist.ts';
import type { FuseServer } from '../fuse/fuse-server.ts';
import type { ServedImage } from '../fuse/worker-messages.ts';
import type { MountMode } from './mount-journal.ts';

/** What decides how an image is served; mounts that agree in it share one. */
export interface ServiceKey extends IdShift {
  readonly id: string;
  readonly digest: FlistDigest;
  readonly mode: MountMode;
  readonly isTraced: boolean;
}

/** Names the image in the FUSE file system, and its tree there. */
export function serviceName({
  id,
  digest,
  mode,
  uidShift,
  gidShift,
  isTraced,
}: ServiceKey): string {
  if (mode === 'overlay') return digest;
  return isTraced ? `${digest}-trace-${id}` : `${digest}-${uidShift}-${gidShift}`;
}

/** @param bytes canonical, of the flist */
export function servedImage(key: ServiceKey, bytes: Uint8Array): ServedImage {
  const { mode, uidShift, gidShift, isTraced } = key;
  const tree = mode === 'tree' ? { uidShift, gidShift, isTraced } : undefined;
  return { name: serviceName(key), bytes, tree };
}

/** Images that stay served without a mount, as containers of one image come and go. */
const idleImagesMax = 16;

/** Counts the mounts of each image that is served: the first shows it; without any it stays a while. */
export class ServedImages {
  readonly #server: FuseServer;
  readonly #users = new Map<string, number>();
  /** Served without a mount, the longest first. */
  readonly #idle = new Set<string>();

  /** @param known those that the server began with, each mount once */
  constructor(server: FuseServer, known: Iterable<ServiceKey>) {
    this.#server = server;
    for (const key of known) this.#count(serviceName(key), 1);
  }

  /** @param bytesOf gives the canonical bytes of the flist, if it is not served yet */
  async add(key: ServiceKey, bytesOf: () => Promise<Uint8Array>): Promise<void> {
    const name = serviceName(key);
    if (!this.#users.has(name) && !this.#idle.delete(name)) {
      this.#server.add(servedImage(key, await bytesOf()));
    }
    this.#count(name, 1);
  }

  async remove(key: ServiceKey): Promise<void> {
    const name = serviceName(key);
    if (this.#count(name, -1) > 0) return;
    this.#idle.add(name);
    const [longest] = this.#idle;
    const isSpare = key.isTraced || this.#idle.size > idleImagesMax;
    const spare = key.isTraced ? name : longest;
    if (!isSpare || spare === undefined) return;
    this.#idle.delete(spare);
    await this.#server.remove(spare);
  }

  #count(name: string, by: number): number {
    const users = (this.#users.get(name) ?? 0) + by;
    if (users > 0) this.#users.set(name, users);
    else this.#users.delete(name);
    return users;
  }
}
