import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import {
  closeOnce,
  ControlSocket,
  errorCode,
  GridError,
  mountAt,
  TaskGroup,
  writeFileAtomic,
} from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { decodeFlist } from '../format/decode-flist.ts';
import { flistDigestOf } from '../format/flist.ts';
import type { Flist, FlistDigest } from '../format/flist.ts';
import { unpackFlist } from '../format/pack-flist.ts';
import { ChunkWindow } from '../fuse/chunk-window.ts';
import { fuseFolderOf } from '../fuse/fuse-holder.ts';
import { FuseServer } from '../fuse/fuse-server.ts';
import type { FuseSession } from '../fuse/fuse-wire.ts';
import type { SourceSet } from '../sources/source-set.ts';
import { filesOf } from '../store/files-of.ts';
import { ObjectStore } from '../store/object-store.ts';
import type { PaceOptions } from '../store/pace.ts';
import type { ObjectStoreOptions, StoreEvent, StoreScrubResult } from '../store/store-types.ts';
import { systemCalls } from '../sys/system-calls.ts';
import { ErofsCache } from './erofs-cache.ts';
import { ImageMounts, requestOf } from './image-mounts.ts';
import type { MountRequest } from './image-mounts.ts';
import { MountJournal } from './mount-journal.ts';
import type { MountMode, MountRecord } from './mount-journal.ts';
import { probeOverlay } from './probe-overlay.ts';
import type { OverlayProbe } from './probe-overlay.ts';
import { reconcileMounts } from './reconcile-mounts.ts';
import { serviceActions } from './service-actions.ts';
import { servedImage, ServedImages, serviceName } from './served-images.ts';
import { StoreFetcher } from './store-fetcher.ts';
import { TaintedMounts } from './tainted-mounts.ts';
import type { ServedImage } from '../fuse/worker-messages.ts';

export interface ImageServiceOptions {
  /** The store's, whose `fuse` the holder has mounted. */
  readonly folder: string;
  readonly maxBytes: number;
  /** Whoever gives them closes them, after the service. */
  readonly sources: SourceSet;
  /** Takes up sources that changed. Default: they do not. */
  readonly reloadSources?: () => Promise<void>;
  /** /dev/fuse, and what the holder agreed with the kernel. */
  readonly fd: number;
  readonly session: FuseSession;
  /** Default: a trial decides, once in each run of the machine. */
  readonly mode?: MountMode | undefined;
  readonly logger: Logger;
}

/** Where the service of a store takes orders. */
export function controlPathOf(folder: string): string {
  return join(folder, 'control.sock');
}

/**
 * The images of a machine: a store of content, its FUSE file system, and mounts over both. It may
 * die at any time; what is mounted stays, and is taken up by the next one.
 *
 * 1. Lock the folder, and verify what the store had not confirmed.
 * 2. Compare the journal with what is mounted; clear what is dead.
 * 3. Show again what is alive, then let the kernel ask.
 * 4. Make again what was dead and unused.
 * 5. Take orders.
 */
export class ImageService implements AsyncDisposable {
  readonly mounts: ImageMounts;
  readonly store: ObjectStore;
  readonly probe: OverlayProbe;
  readonly sources: SourceSet;
  /** Takes up sources that changed. */
  readonly reloadSources: () => Promise<void>;
  /** Resolves when it was told to stop, or its file system is unmounted; fails when it cannot go on. */
  readonly ended: Promise<void>;
  /** Leaves what is mounted as it is. */
  readonly close: () => Promise<void>;
  readonly #server: FuseServer;
  readonly #tasks: TaskGroup;
  readonly #tainted: TaintedMounts;
  readonly #stack: AsyncDisposableStack;
  readonly #stopped: () => void;

  private constructor(parts: ServiceParts, stack: AsyncDisposableStack) {
    this.mounts = parts.mounts;
    this.store = parts.store;
    this.probe = parts.probe;
    this.sources = parts.sources;
    this.reloadSources = parts.reloadSources;
    this.#server = parts.server;
    this.#tasks = parts.tasks;
    this.#tainted = parts.tainted;
    this.#stack = stack;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopped = resolve;
    this.ended = Promise.race([promise, parts.server.ended]);
    this.close = closeOnce(() => stack.disposeAsync());
  }

  /** @throws BASE_FOLDER_LOCKED, FLIST_MOUNT_FAILED when nothing is mounted at `fuse` */
  static async open(options: ImageServiceOptions): Promise<ImageService> {
    const { folder, maxBytes, sources, fd, session, logger } = options;
    const { reloadSources = async () => {} } = options;
    await using stack = new AsyncDisposableStack();
    const tainted = new TaintedMounts(logger);
    const onEvent = (event: StoreEvent): void => {
      if (event.kind === 'object-tainted') tainted.add(event.mounts);
    };
    const window = new ChunkWindow();
    const onNext: ObjectStoreOptions['onNext'] = (hash, bytes) => window.put(hash, bytes);
    const store = stack.use(
      await ObjectStore.open({ folder, maxBytes, sources, logger, onEvent, onNext }),
    );
    const fuse = await mountAt(fuseFolderOf(folder));
    if (fuse === undefined) throw notMounted(folder);
    const probe = await probeOverlay(folder);
    // Loaded now, so that no mount waits for it.
    systemCalls();
    const place = { folder, fuseDevice: fuse.device, bootId: probe.bootId, store, logger };
    const journal = await MountJournal.open(join(folder, 'mounts'));
    const { live, lost } = await reconcileMounts({ ...place, journal });
    const fetcher = stack.use(new StoreFetcher(store, logger));
    const server = stack.use(
      await FuseServer.open({
        ...{ fd, session, logger },
        mountPoint: fuse.target,
        openRequestsPath: join(folder, 'open-requests'),
        secret: await readSecret(join(folder, 'fuse.key')),
        objectsFolder: store.objectsFolder,
        chunksFolder: join(folder, 'chunks'),
        ...{ fetcher, window },
        images: await imagesOf(live, store),
      }),
    );
    const cache = await ErofsCache.open(join(folder, 'erofs'));
    const served = new ServedImages(server, live);
    const probed = probe.isOverlayUsable ? 'overlay' : 'tree';
    const defaultMode = options.mode ?? probed;
    const mounts = new ImageMounts({ ...place, cache, journal, served, defaultMode }, live);
    const tasks = stack.use(
      new TaskGroup({
        maxTasks: prefetchesMax,
        onError: (err, digest) => logger.warn({ err, digest }, 'not all was fetched ahead'),
      }),
    );
    const service = new ImageService(
      { mounts, store, probe, sources, reloadSources, server, tasks, tainted },
      stack.move(),
    );
    try {
      await service.#mountAgain(lost, logger);
      await service.#listen(folder, logger);
    } catch (error) {
      await service.close();
      throw error;
    }
    return service;
  }

  /** Takes the flist of a file, which becomes known to the store for good. */
  async addFlist(path: string): Promise<FlistDigest> {
    const bytes = await unpackFlist(await readFile(path));
    const digest = flistDigestOf(bytes);
    const known = await this.store.flistOf(digest);
    await this.store.addFlist(digest, known ?? decodeFlist(bytes));
    return digest;
  }

  /** Mounts, and begins to fetch ahead what a start of the image reads. */
  async mount(request: MountRequest): Promise<MountRecord> {
    const { digest, isTraced = false } = request;
    const record = await this.mounts.mount(request);
    // What was found before it was mounted nobody read.
    this.#tainted.forget(record.id);
    // What is read first would not be the first to be read.
    if (!isTraced && this.#tasks.size < prefetchesMax) {
      this.#tasks.start(digest, (signal) => this.store.prefetch(digest, { signal }));
    }
    return record;
  }

  /** The image of a mount that is traced, with what was read of it. @throws FLIST_MOUNT_UNKNOWN */
  async trace(id: string): Promise<Flist> {
    const record = this.mounts.get(id);
    const flist = record && (await this.store.flistOf(record.digest));
    if (record?.isTraced !== true || flist === undefined) throw notTraced(id);
    const files = [...filesOf(flist.root)].filter(({ sizeBytes }) => sizeBytes > 0);
    const reads = await this.#server.trace(serviceName(record));
    const trace = reads.flatMap(({ file: place, firstChunk, chunkCount }) => {
      const file = files[place];
      return file === undefined ? [] : [{ file, firstChunk, chunkCount }];
    });
    return { ...flist, trace };
  }

  /** Mounts it anew, so that what was replaced in the store is seen. @throws as `ImageMounts` */
  async remount(id: string): Promise<MountRecord> {
    const record = await this.mounts.remount(id);
    this.#tainted.forget(id);
    return record;
  }

  async unmount(id: string): Promise<MountRecord> {
    const record = await this.mounts.unmount(id);
    this.#tainted.forget(id);
    return record;
  }

  /** Verifies all content that is here; then mounts anew what is to be and has damaged content. */
  async scrub(options: PaceOptions): Promise<StoreScrubResult> {
    const result = await this.store.scrub(options);
    await this.#tainted.remount(this.mounts);
    return result;
  }

  /** Whether content was found damaged while it was mounted, which what runs there may have read. */
  isTainted(id: string): boolean {
    return this.#tainted.has(id);
  }

  /** Reads that wait for content. */
  get waitingReads(): number {
    return this.#server.waitingReads;
  }

  /** `ended` resolves soon. */
  stop(): void {
    this.#stopped();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What was lost with the server and its holder, and nobody used. */
  async #mountAgain(lost: readonly MountRecord[], logger: Logger): Promise<void> {
    for (const record of lost) {
      try {
        await this.mounts.mount(requestOf(record));
        logger.info({ id: record.id, target: record.target }, 'a mount was made again');
      } catch (err) {
        // Whatever it is, such as a disk that is not there: the others are not lost for it.
        logger.warn({ err, id: record.id }, 'a mount cannot be made again');
      }
    }
  }

  async #listen(folder: string, logger: Logger): Promise<void> {
    const path = controlPathOf(folder);
    const actions = serviceActions(this);
    this.#stack.use(await ControlSocket.open({ path, actions, logger }));
  }
}

/** Images whose start is fetched ahead at a time; others are read when they are asked for. */
const prefetchesMax = 16;

interface ServiceParts {
  readonly mounts: ImageMounts;
  readonly store: ObjectStore;
  readonly probe: OverlayProbe;
  readonly sources: SourceSet;
  readonly reloadSources: () => Promise<void>;
  readonly server: FuseServer;
  readonly tasks: TaskGroup;
  readonly tainted: TaintedMounts;
}

/** What is alive is shown before anything is answered. */
async function imagesOf(
  live: readonly MountRecord[],
  store: ObjectStore,
): Promise<readonly ServedImage[]> {
  const images = new Map<string, ServedImage>();
  for (const record of live) {
    const name = serviceName(record);
    const bytes = images.has(name) ? undefined : await store.flistBytesOf(record.digest);
    if (bytes !== undefined) images.set(name, servedImage(record, bytes));
  }
  return [...images.values()];
}

const secretBytes = 32;

async function readSecret(path: string): Promise<Uint8Array> {
  try {
    const secret = await readFile(path);
    if (secret.length === secretBytes) return secret;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  const secret = randomBytes(secretBytes);
  await writeFileAtomic(path, secret, { mode: 0o600 });
  return secret;
}

function notMounted(folder: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_MOUNT_FAILED', `nothing is mounted at ${fuseFolderOf(folder)}`, {
    hint: 'start the holder, which starts the service',
  });
}

function notTraced(id: string): GridError<FlistErrorCode> {
  return new GridError('FLIST_MOUNT_UNKNOWN', `there is no mount ${id} that is traced`, {
    hint: 'mount it with a trace',
    details: { id },
  });
}
