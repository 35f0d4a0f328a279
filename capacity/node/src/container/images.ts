import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  askControl,
  GridError,
  isGridError,
  Mutex,
  waitFor,
  writeFileAtomic,
} from '@commongrid/base';
import type { ControlArguments } from '@commongrid/base';
import {
  controlPathOf,
  decodeFlist,
  flistDigestOf,
  HubClient,
  imageConfigOf,
  isStoreMounted,
  parseFlistDigest,
  unpackFlist,
  writeServiceConfig,
} from '@commongrid/flist';
import type {
  Flist,
  FlistDigest,
  ImageConfig,
  MountMode,
  MountRecord,
  SourceStatus,
} from '@commongrid/flist';
import type { DriverContext } from '../driver.ts';
import type { NodeErrorCode } from '../errors.ts';
import { FairGate } from '../reconcile/fair-gate.ts';

export interface ImagesOptions {
  /** Store of this node alone. */
  readonly folder: string;
  /** Origins of hubs, asked in this order. */
  readonly hubs: readonly string[];
  /** How much of images may be kept. */
  readonly maxBytes: number;
  /** How images are shown. Default: what the kernel can, as a trial says. */
  readonly mode?: MountMode | undefined;
  /** Starts the image service of a store, which outlives this process; resolves once it answers. */
  readonly startService: (folder: string) => Promise<void>;
}

export interface ImageMount {
  /** Name of the mount. */
  readonly id: string;
  readonly digest: string;
  /** An empty folder. */
  readonly target: string;
  /** For what is written; read-only without it. */
  readonly writableFolder?: string | undefined;
  /** Host id of the image's 0. */
  readonly idShift: number;
}

/** Images of this node: known by digest alone, mounted by a service that outlives the agent. */
export class Images {
  readonly #options: ImagesOptions;
  readonly #starting = new Mutex();
  readonly #asking = new FairGate({ insideMax: asksMax, insideOfOneMax: asksMax });
  readonly #configs = new Map<string, ImageConfig>();

  private constructor(options: ImagesOptions) {
    this.#options = options;
  }

  static async open(options: ImagesOptions): Promise<Images> {
    const { folder, hubs, maxBytes, mode } = options;
    await mkdir(join(folder, 'known'), { recursive: true, mode: 0o700 });
    const sources = hubs.map((url) => ({ url: `${url}/v1` }));
    const forced = mode === undefined ? {} : { mode };
    await writeServiceConfig(folder, { maxBytes, sources, ...forced });
    const images = new Images(options);
    await images.#start();
    await images.#ask('reload');
    return images;
  }

  /** How the image is to be run. @throws NODE_IMAGE_UNAVAILABLE */
  async config(digest: string, context: DriverContext): Promise<ImageConfig> {
    let config = this.#configs.get(digest);
    if (config !== undefined) return config;
    const packed = await this.#packed(parsed(digest), context);
    config = imageConfigOf(decodeFlist(await unpackFlist(packed)));
    if (this.#configs.size >= configsMax) this.#configs.clear();
    this.#configs.set(digest, config);
    return config;
  }

  /** The files of an image. @throws NODE_IMAGE_UNAVAILABLE */
  async flist(digest: string, context: DriverContext): Promise<Flist> {
    const bytes = await unpackFlist(await this.#packed(parsed(digest), context));
    if (flistDigestOf(bytes) === digest) return decodeFlist(bytes);
    throw new GridError<NodeErrorCode>(
      'NODE_IMAGE_UNAVAILABLE',
      `the list of files that is kept for image ${digest} is another one`,
      { hint: `remove ${this.#pathOf(parsed(digest))}`, details: { digest } },
    );
  }

  /** Shows an image; what is mounted so already stays. */
  async mount(wanted: ImageMount, context: DriverContext): Promise<void> {
    try {
      await this.#mount(wanted, context);
    } catch (error) {
      // Asked only now: the list is of all mounts, and mostly there was none.
      if (!isGridError(error, 'FLIST_MOUNT_EXISTS')) throw error;
      const { id, target, digest } = wanted;
      const former = await this.find(id);
      if (former?.digest === digest && former.target === target) return;
      await this.unmount(id);
      await this.#mount(wanted, context);
    }
  }

  /** Takes a mount away; one that is not there is as good. */
  async unmount(id: string): Promise<void> {
    try {
      await this.#ask('unmount', { id });
    } catch (error) {
      if (!isGridError(error, 'FLIST_MOUNT_UNKNOWN')) throw error;
    }
  }

  async find(id: string): Promise<MountRecord | undefined> {
    return (await this.list()).find((mount) => mount.id === id);
  }

  async list(): Promise<readonly MountRecord[]> {
    return (await this.#ask('list')) as readonly MountRecord[];
  }

  /** Where content comes from, and how that gets on; undefined while the service does not answer. */
  async sources(): Promise<readonly SourceStatus[] | undefined> {
    try {
      const path = controlPathOf(this.#options.folder);
      const timeoutMs = sourcesTimeoutMs;
      return (await askControl(path, 'sources', {}, { timeoutMs })) as readonly SourceStatus[];
    } catch (error) {
      if (isGridError(error)) return undefined;
      throw error;
    }
  }

  /** Sees to it that the service runs: one that begins takes dead mounts out of sight. */
  async revive(signal: AbortSignal): Promise<void> {
    try {
      const path = controlPathOf(this.#options.folder);
      await askControl(path, 'status', {}, { signal, timeoutMs: askTimeoutMs });
    } catch (error) {
      if (!isGridError(error, 'BASE_CONTROL_ABSENT')) throw error;
      if (!signal.aborted) await this.#start();
    }
  }

  /** Ends the service; nothing may be mounted. One that does not run is as good. */
  async stop(signal: AbortSignal): Promise<void> {
    const path = controlPathOf(this.#options.folder);
    try {
      await askControl(path, 'stop', {}, { signal, timeoutMs: askTimeoutMs });
    } catch (error) {
      if (!isGridError(error, 'BASE_CONTROL_ABSENT')) throw error;
      return;
    }
    const isGone = async (): Promise<boolean> => !(await isStoreMounted(this.#options.folder));
    await waitFor(isGone, {
      timeoutMs: askTimeoutMs,
      what: 'the end of the image service',
      signal,
    });
  }

  async #mount(wanted: ImageMount, context: DriverContext): Promise<void> {
    const { id, target, writableFolder, idShift } = wanted;
    const digest = parsed(wanted.digest);
    const place = { id, target, uidShift: idShift, gidShift: idShift, writableFolder };
    try {
      await this.#ask('mount', { ...place, digest }, context.signal);
    } catch (error) {
      if (!isGridError(error, 'FLIST_OBJECT_UNKNOWN')) throw error;
      await this.#packed(digest, context);
      await this.#ask('mount', { ...place, flist: this.#pathOf(digest) }, context.signal);
    }
  }

  /** The flist itself, from the folder or a hub, packed. */
  async #packed(digest: FlistDigest, context: DriverContext): Promise<Buffer> {
    const path = this.#pathOf(digest);
    const known = await readFile(path).catch(() => undefined);
    if (known !== undefined) return known;
    const packed = await this.#fetch(digest, context);
    await writeFileAtomic(path, packed, { mode: 0o600 });
    return packed;
  }

  async #fetch(digest: FlistDigest, { signal, progress }: DriverContext): Promise<Buffer> {
    let why: unknown;
    progress({ what: 'image', doneBytes: 0, totalBytes: 0 });
    for (const url of this.#options.hubs) {
      try {
        const onBytes = (doneBytes: number, totalBytes: number): void =>
          progress({ what: 'image', doneBytes, totalBytes });
        return await new HubClient({ url, triesMax: 2 }).flist(digest, { signal, onBytes });
      } catch (error) {
        if (isGridError(error, 'BASE_ABORTED')) throw error;
        why = error;
      }
    }
    const said = isGridError(why) ? why.message : 'the node knows no hub';
    throw new GridError<NodeErrorCode>(
      'NODE_IMAGE_UNAVAILABLE',
      `no hub gives image ${digest}: ${said}`,
      {
        hint: 'upload it to a hub of the node: grid hub upload',
        retryable: true,
        details: { digest, hubs: this.#options.hubs },
        cause: why,
      },
    );
  }

  #pathOf(digest: FlistDigest): string {
    return join(this.#options.folder, 'known', `${digest}.flist`);
  }

  /** Asks the service in its turn; one that is not there is started first. */
  async #ask(
    action: string,
    args: ControlArguments = {},
    signal: AbortSignal = new AbortController().signal,
  ): Promise<unknown> {
    const path = controlPathOf(this.#options.folder);
    const leave = await this.#asking.enter('', signal);
    try {
      return await askControl(path, action, args, { signal, timeoutMs: askTimeoutMs });
    } catch (error) {
      if (!isGridError(error, 'BASE_CONTROL_ABSENT')) throw error;
      await this.#start();
      return await askControl(path, action, args, { signal, timeoutMs: askTimeoutMs });
    } finally {
      leave();
    }
  }

  #start(): Promise<void> {
    return this.#starting.run(async () => {
      const { folder, startService } = this.#options;
      try {
        await askControl(controlPathOf(folder), 'status', {}, { timeoutMs: askTimeoutMs });
      } catch (error) {
        if (!isGridError(error, 'BASE_CONTROL_ABSENT')) throw error;
        await startService(folder);
      }
    });
  }
}

/** Configs of images that are kept in memory. */
const configsMax = 256;
/** Questions to the service at a time: it hangs up on more callers than 32. */
const asksMax = 16;
/** What a service may take for an answer, ms: before a mount it may have much to verify. */
const askTimeoutMs = 60_000;
/** How long those who look at a node wait for a service that has something else to do, ms. */
const sourcesTimeoutMs = 2_000;

function parsed(text: string): FlistDigest {
  const digest = parseFlistDigest(text);
  if (digest !== undefined) return digest;
  throw new GridError<NodeErrorCode>('NODE_IMAGE_UNAVAILABLE', `${text} is no digest`);
}
