import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { askControl } from '@commongrid/base';
import type { ControlArguments } from '@commongrid/base';

import type { FlistDigest } from '../src/format/flist.ts';
import { HubClient } from '../src/hub/hub-client.ts';
import type { HubServer } from '../src/hub/hub-server.ts';
import { controlPathOf } from '../src/mount/image-service.ts';
import { ServiceHarness } from '../test/mount-harness.ts';
import { CountingProxy } from './counting-proxy.ts';

/** A whole image on a busy machine. */
const askTimeoutMs = 300_000;

/** A machine with an empty store, whose every byte from a hub is counted. */
export class LazyNode implements AsyncDisposable {
  readonly #harness: ServiceHarness;
  readonly #proxy: CountingProxy;
  readonly #stack: AsyncDisposableStack;

  private constructor(harness: ServiceHarness, proxy: CountingProxy, stack: AsyncDisposableStack) {
    this.#harness = harness;
    this.#proxy = proxy;
    this.#stack = stack;
  }

  static async open(hub: HubServer): Promise<LazyNode> {
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(await CountingProxy.open(Number(new URL(hub.url).port)));
    const scope = { after: (fn: () => Promise<void>): void => stack.defer(fn) };
    const sources = [{ url: `http://${proxy.host}/v1` }];
    const harness = await ServiceHarness.open(scope, { maxBytes: 2 ** 30, sources });
    await harness.start();
    return new LazyNode(harness, proxy, stack.move());
  }

  /** What came over the wire, and what went. */
  get wireBytes(): number {
    return this.#proxy.bytes;
  }

  /** Asks the hub for an flist, which is counted too, and mounts it to be written over. */
  async mount(digest: FlistDigest, args: ControlArguments = {}): Promise<string> {
    const flist = await this.#fetchFlist(digest);
    const writableFolder = await mkdtemp(join(this.#harness.folder, 'writable-'));
    const target = join(this.#harness.folder, 'mounted');
    await mkdir(target, { recursive: true });
    await this.#ask('mount', { id: 'mounted', flist, target, writableFolder, ...args });
    return target;
  }

  /** Writes the image with what was read of it, as `mount` began to note. */
  async trace(output: string): Promise<void> {
    await this.#ask('trace', { id: 'mounted', output });
  }

  /** Fetches all of an image; it need not be mounted. */
  async fetchWhole(digest: FlistDigest): Promise<void> {
    const flist = await this.#fetchFlist(digest);
    await this.#ask('prefetch', { flist, whole: true });
  }

  async unmount(): Promise<void> {
    await this.#ask('unmount', { id: 'mounted' });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  #ask(action: string, args: ControlArguments): Promise<unknown> {
    const path = controlPathOf(this.#harness.store);
    return askControl(path, action, args, { timeoutMs: askTimeoutMs });
  }

  async #fetchFlist(digest: FlistDigest): Promise<string> {
    const client = new HubClient({ url: `http://${this.#proxy.host}` });
    const path = join(this.#harness.folder, `${digest}.flist`);
    await writeFile(path, await client.flist(digest));
    return path;
  }
}
