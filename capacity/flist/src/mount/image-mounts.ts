import { randomBytes } from 'node:crypto';
import { mkdirSync, rmdirSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { errorCode, GridError, mountAt, Mutex } from '@commongrid/base';
import type { Logger, MountEntry } from '@commongrid/base';

import { assertTreeMountable } from '../erofs/shift-ids.ts';
import type { IdShift } from '../erofs/shift-ids.ts';
import type { FlistErrorCode } from '../errors.ts';
import type { Flist, FlistDigest } from '../format/flist.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { mountBind, mountErofs, mountOverlay, unmount, unmountErofs } from '../sys/mounts.ts';
import type { ErofsCache } from './erofs-cache.ts';
import { mountSchema } from './mount-journal.ts';
import type { DamagePolicy, MountJournal, MountMode, MountRecord } from './mount-journal.ts';
import { serviceName } from './served-images.ts';
import type { ServedImages } from './served-images.ts';
import { takeWritableFolder } from './writable-folder.ts';

export interface MountRequest extends Partial<IdShift> {
  readonly digest: FlistDigest;
  /** An empty folder that exists. */
  readonly target: string;
  /** Letters, digits and `-`, at most 64. Default: made up. */
  readonly id?: string | undefined;
  /** Default: what the kernel can. */
  readonly mode?: MountMode | undefined;
  /** Folder for what is written, on a disk that has the size it may have. Default: read-only. */
  readonly writableFolder?: string | undefined;
  /** Notes what is read. The mount is then a tree over FUSE, as nothing else sees all reads. */
  readonly isTraced?: boolean | undefined;
  /** Default: report. */
  readonly whenDamaged?: DamagePolicy | undefined;
}

export interface ImageMountsOptions {
  /** The store's. */
  readonly folder: string;
  readonly store: ObjectStore;
  readonly cache: ErofsCache;
  readonly journal: MountJournal;
  readonly served: ServedImages;
  readonly defaultMode: MountMode;
  /** The FUSE file system of the store, and the run of the machine. */
  readonly fuseDevice: string;
  readonly bootId: string;
  readonly logger: Logger;
}

/** Mounts of a store at a time. */
const mountsMax = 1_024;

/** Mounts images and remembers it: whoever opens a store again finds what is mounted. */
export class ImageMounts {
  readonly #options: ImageMountsOptions;
  readonly #records: Map<string, MountRecord>;
  readonly #changes = new Mutex();

  /** @param live what `reconcileMounts` found alive, and is served already */
  constructor(options: ImageMountsOptions, live: readonly MountRecord[]) {
    this.#options = options;
    this.#records = new Map(live.map((record) => [record.id, record]));
  }

  list(): readonly MountRecord[] {
    return [...this.#records.values()];
  }

  get(id: string): MountRecord | undefined {
    return this.#records.get(id);
  }

  /**
   * @throws FLIST_OBJECT_UNKNOWN when nobody gave the flist to the store, FLIST_MOUNT_EXISTS,
   *   FLIST_TARGET_INVALID, FLIST_WRITABLE_MISMATCH, FLIST_MOUNT_FAILED, FLIST_TOO_MANY_MOUNTS
   */
  mount(request: MountRequest): Promise<MountRecord> {
    return this.#changes.run(() => this.#mount(request));
  }

  /** @throws FLIST_MOUNT_UNKNOWN; FLIST_MOUNT_FAILED while somebody uses it */
  unmount(id: string): Promise<MountRecord> {
    return this.#changes.run(() => this.#unmount(id));
  }

  /**
   * Mounts it anew, so that what was replaced in the store is seen.
   * @throws what `unmount` throws, and then it is as it was; what `mount` throws, and then it is gone
   */
  remount(id: string): Promise<MountRecord> {
    return this.#changes.run(async () => this.#mount(requestOf(await this.#unmount(id))));
  }

  async #unmount(id: string): Promise<MountRecord> {
    const record = this.#records.get(id);
    if (record === undefined) throw unknownMount(id);
    if ((await mountOf(record)) !== undefined) await unmount(record.target);
    await this.#options.served.remove(record);
    this.#forget(record);
    return record;
  }

  async #mount(request: MountRequest): Promise<MountRecord> {
    const { journal, served, store } = this.#options;
    const flist = await store.flistOf(request.digest);
    if (flist === undefined) throw unknownFlist(request.digest);
    const record = await this.#recordFor(request);
    journal.put(record);
    this.#records.set(record.id, record);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => this.#forget(record));
    await this.#prepare(record, flist);
    await served.add(record, async () => {
      const bytes = await store.flistBytesOf(record.digest);
      if (bytes === undefined) throw unknownFlist(record.digest);
      return bytes;
    });
    undo.defer(() => served.remove(record));
    undo.defer(() => unmountIfMounted(record));
    await this.#show(record, flist);
    const mounted: MountRecord = { ...record, state: 'mounted' };
    journal.put(mounted);
    this.#records.set(record.id, mounted);
    undo.move();
    return mounted;
  }

  async #recordFor(request: MountRequest): Promise<MountRecord> {
    const { digest, id = randomBytes(8).toString('hex'), isTraced = false } = request;
    const { writableFolder, uidShift = 0, gidShift = 0, whenDamaged } = request;
    const { fuseDevice, bootId, defaultMode } = this.#options;
    if (!/^[a-z0-9-]{1,64}$/.test(id)) throw invalidId(id);
    if (this.#records.has(id)) throw existingMount(id);
    if (this.#records.size >= mountsMax) throw tooManyMounts();
    const target = await checkTarget(request.target);
    return {
      schema: mountSchema,
      ...{ id, digest, target, uidShift, gidShift, isTraced, fuseDevice, bootId },
      mode: isTraced ? 'tree' : (request.mode ?? defaultMode),
      ...(writableFolder === undefined ? {} : { writableFolder: await realPathOf(writableFolder) }),
      ...(whenDamaged === undefined ? {} : { whenDamaged }),
      state: 'mounting',
      mountedAtMs: Date.now(),
    };
  }

  /** Nothing that the image needs is evicted from now on, and what is damaged is found. */
  async #prepare(record: MountRecord, flist: Flist): Promise<void> {
    const { store } = this.#options;
    await store.addFlist(record.digest, flist);
    store.pin(record.id, record.digest);
    if (record.mode === 'overlay') await store.verifyObjectsOf(record.digest);
    else assertTreeMountable(flist.root, record);
  }

  async #show(record: MountRecord, flist: Flist): Promise<void> {
    const { folder } = this.#options;
    const { digest, target, writableFolder } = record;
    const { root } = flist;
    const upper =
      writableFolder === undefined
        ? undefined
        : await takeWritableFolder(writableFolder, { digest, root, shift: record });
    if (record.mode === 'overlay') return this.#showOverlay(record, flist, upper);
    const tree = join('fuse', 'trees', serviceName(record));
    if (upper === undefined) await mountBind(join(folder, tree), target);
    else await mountOverlay({ folder, lower: [tree], upper }, target);
  }

  /** The overlay keeps its layers itself: the metadata need not stay mounted anywhere else. */
  async #showOverlay(
    { id, digest, uidShift, gidShift, target }: MountRecord,
    { root }: Flist,
    upper: Parameters<typeof mountOverlay>[0]['upper'],
  ): Promise<void> {
    const { folder, cache } = this.#options;
    const image = await cache.pathOf(digest, root, { uidShift, gidShift });
    const meta = join(folder, metaName, id);
    mkdirSync(meta);
    await using undo = new AsyncDisposableStack();
    undo.defer(() => rmdirSync(meta));
    await mountErofs(image, meta);
    undo.defer(() => unmountErofs(meta));
    const layers = { folder, lower: [join(metaName, id)], data: ['objects', 'fuse'], upper };
    await mountOverlay(layers, target);
  }

  #forget(record: MountRecord): void {
    const { journal, store } = this.#options;
    store.unpin(record.id);
    journal.remove(record.id);
    this.#records.delete(record.id);
  }
}

/** What makes the same mount again. */
export function requestOf(record: MountRecord): MountRequest {
  const { id, digest, target, mode, uidShift, gidShift } = record;
  const { writableFolder, isTraced, whenDamaged } = record;
  return {
    ...{ id, digest, target, mode, uidShift, gidShift },
    ...{ writableFolder, isTraced, whenDamaged },
  };
}

/** In the folder of a store: where metadata is mounted while an overlay is being made. */
export const metaName = 'meta';

/** The type and source with which all our mounts are seen. */
export async function mountOf({ target }: { target: string }): Promise<MountEntry | undefined> {
  const mounted = await mountAt(target);
  return mounted?.source === 'flist' ? mounted : undefined;
}

async function unmountIfMounted(record: MountRecord): Promise<void> {
  if ((await mountOf(record)) !== undefined) await unmount(record.target);
}

async function checkTarget(given: string): Promise<string> {
  const target = await realPathOf(given);
  if (!(await stat(target)).isDirectory()) throw invalidTarget(given, 'it is no folder');
  if ((await mountOf({ target })) !== undefined)
    throw invalidTarget(given, 'it is a mount already');
  return target;
}

async function realPathOf(given: string): Promise<string> {
  return realpath(given).catch((error: unknown) => {
    throw invalidTarget(given, 'it is not there', error);
  });
}

function invalidTarget(target: string, why: string, cause?: unknown): GridError<FlistErrorCode> {
  return new GridError('FLIST_TARGET_INVALID', `${target} cannot be mounted at: ${why}`, {
    hint: 'give an empty folder',
    details: { target, code: errorCode(cause) },
    cause,
  });
}

function invalidId(id: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_TARGET_INVALID', `${id} is no name of a mount`, {
    hint: 'use at most 64 small letters, digits and -',
  });
}

function existingMount(id: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_MOUNT_EXISTS', `there is a mount ${id} already`, {
    hint: 'unmount it first, or use another name',
    details: { id },
  });
}

function tooManyMounts(): GridError<FlistErrorCode> {
  return new GridError('FLIST_TOO_MANY_MOUNTS', `${mountsMax} images are mounted`, {
    hint: 'unmount one',
    details: { mountsMax },
  });
}

function unknownMount(id: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_MOUNT_UNKNOWN', `there is no mount ${id}`, {
    hint: 'list the mounts',
    details: { id },
  });
}

function unknownFlist(digest: FlistDigest): GridError<FlistErrorCode> {
  return new GridError('FLIST_OBJECT_UNKNOWN', `the store does not know flist ${digest}`, {
    hint: 'give the file of the flist',
    details: { digest },
  });
}
