import { mkdtemp } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { delay, throwIfAborted } from '@commongrid/base';
import { costRow, median } from '@commongrid/system/bench';
import type { BenchOptions, BenchRow } from '@commongrid/system/bench';

import type { FlistDigest } from '../src/format/flist.ts';
import { debianImages } from '../test/support/debian-images.ts';
import type { DebianImageName, DebianImages } from '../test/support/debian-images.ts';
import { DockerRegistry } from '../src/testing/docker-registry.ts';
import { CountingProxy } from './counting-proxy.ts';
import { ImageHub } from './image-hub.ts';
import { imageStarts, startOnce } from './image-starts.ts';
import type { ImageStart } from './image-starts.ts';
import { LazyNode } from './lazy-node.ts';

/**
 * Bytes over the wire, of both ways: until an application of an image is healthy that is started
 * where nothing, or the base, is there; and for an updated base. The rival is skopeo.
 */
export async function bytesRows(options: BenchOptions, folder: string): Promise<BenchRow[]> {
  const { only = '' } = options;
  const starts = imageStarts.filter((start) => namesOf(start).some((name) => name.includes(only)));
  const isUpdateAsked = updateName.includes(only);
  if (starts.length === 0 && !isUpdateAsked) return [];
  options.note('images of Debian; the first time that takes two minutes');
  const images = await debianImages();
  await using bench = await BytesBench.open(options, images, await mkdtemp(join(folder, 'bytes-')));
  const rows: BenchRow[] = [];
  for (const start of starts) rows.push(...(await bench.startRows(start)));
  if (isUpdateAsked) rows.push(await bench.updateRow());
  return rows.filter(({ name }) => name.includes(only));
}

const updateName = 'bytes of an updated base';

interface Variant {
  readonly isTraced: boolean;
  readonly hasBase: boolean;
}

const variants: readonly Variant[] = [
  { isTraced: false, hasBase: false },
  { isTraced: true, hasBase: false },
  { isTraced: false, hasBase: true },
  { isTraced: true, hasBase: true },
];

function namesOf({ image }: ImageStart): string[] {
  return variants.map((variant) => nameOf(image, variant));
}

function nameOf(image: string, { isTraced, hasBase }: Variant): string {
  const found = hasBase ? 'base cached' : 'cold';
  return `bytes until ${image} is healthy, ${found}${isTraced ? ', with its trace' : ''}`;
}

class BytesBench implements AsyncDisposable {
  readonly #options: BenchOptions;
  readonly #images: DebianImages;
  readonly #folder: string;
  readonly #registry: DockerRegistry;
  readonly #hub: ImageHub;
  readonly #stack: AsyncDisposableStack;
  readonly #digests = new Map<DebianImageName, FlistDigest>();

  private constructor(
    options: BenchOptions,
    images: DebianImages,
    folder: string,
    servers: { readonly registry: DockerRegistry; readonly hub: ImageHub },
    stack: AsyncDisposableStack,
  ) {
    this.#options = options;
    this.#images = images;
    this.#folder = folder;
    this.#registry = servers.registry;
    this.#hub = servers.hub;
    this.#stack = stack;
  }

  static async open(
    options: BenchOptions,
    images: DebianImages,
    folder: string,
  ): Promise<BytesBench> {
    await using stack = new AsyncDisposableStack();
    const registry = stack.use(await DockerRegistry.open(folder));
    const hub = stack.use(await ImageHub.open(folder));
    const servers = { registry, hub };
    return new BytesBench(options, images, folder, servers, stack.move());
  }

  async startRows(start: ImageStart): Promise<BenchRow[]> {
    const { note } = this.#options;
    const { image, healthy, must, aim } = start;
    note(`${image}: what a start reads`);
    const plain = await this.#digestOf(image);
    const traced = await this.#traced(start, plain);
    const rows: BenchRow[] = [];
    for (const hasBase of [false, true]) {
      const rival = await this.#pulledBytes(image, hasBase ? ['base'] : []);
      for (const isTraced of [false, true]) {
        const name = nameOf(image, { isTraced, hasBase });
        const counts = await this.#rounds(name, () =>
          this.#startBytes(start, isTraced ? traced : plain, hasBase),
        );
        const settled = median(counts.map((count) => count.settled));
        rows.push(
          costRow({
            ...{ name, unit: 'B', ours: median(counts.map((count) => count.healthy)), rival },
            // With the base cached skopeo pulls one layer, too; that is only shown.
            ...(hasBase ? {} : { must, aim }),
            note: `${healthy}; ${settled} B a second later`,
          }),
        );
      }
    }
    return rows;
  }

  /** All of a new base, where all of the old one is. */
  async updateRow(): Promise<BenchRow> {
    const { packages, rebuilt } = this.#images.update;
    const base = await this.#digestOf('base');
    const updated = await this.#digestOf('updated');
    const rival = await this.#pulledBytes('updated', ['base']);
    const counts = await this.#rounds(updateName, async () => {
      await using node = await LazyNode.open(this.#hub.server);
      await node.fetchWhole(base);
      const before = node.wireBytes;
      await node.fetchWhole(updated);
      return node.wireBytes - before;
    });
    const note = `updated: ${packages.join(' ')}; built anew: ${rebuilt.join(' ') || 'none'}`;
    return costRow({
      ...{ name: updateName, unit: 'B', ours: median(counts), rival, must: 5, note },
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  async #rounds<T>(name: string, measure: () => Promise<T>): Promise<T[]> {
    const { rounds, isQuick = false, signal, note } = this.#options;
    const results: T[] = [];
    for (let round = 0; round < (isQuick ? 1 : rounds); round++) {
      throwIfAborted(signal);
      note(`${name}, round ${round + 1}`);
      results.push(await measure());
    }
    return results;
  }

  async #startBytes(
    start: ImageStart,
    digest: FlistDigest,
    hasBase: boolean,
  ): Promise<{ healthy: number; settled: number }> {
    await using node = await LazyNode.open(this.#hub.server);
    if (hasBase) await node.fetchWhole(await this.#digestOf('base'));
    const before = node.wireBytes;
    const root = await node.mount(digest);
    let healthy = 0;
    let settled = 0;
    await startOnce(root, start, async () => {
      healthy = node.wireBytes - before;
      await delay(settleMs);
      settled = node.wireBytes - before;
    });
    await node.unmount();
    return { healthy, settled };
  }

  /** The same image with what one start of it read. */
  async #traced(start: ImageStart, digest: FlistDigest): Promise<FlistDigest> {
    await using node = await LazyNode.open(this.#hub.server);
    const root = await node.mount(digest, { isTraced: true, mode: 'tree' });
    await startOnce(root, start, async () => {});
    const output = join(this.#folder, `${start.image}.flist`);
    await node.trace(output);
    await node.unmount();
    return await this.#hub.addFile(output);
  }

  async #digestOf(name: DebianImageName): Promise<FlistDigest> {
    const known = this.#digests.get(name);
    if (known !== undefined) return known;
    const digest = await this.#hub.add(this.#images.layout, name);
    this.#digests.set(name, digest);
    return digest;
  }

  /** What skopeo takes for an image where others are; the same each time. */
  async #pulledBytes(name: DebianImageName, there: readonly DebianImageName[]): Promise<number> {
    await this.#push(name);
    for (const other of there) await this.#push(other);
    await using proxy = await CountingProxy.open(Number(this.#registry.host.split(':')[1]));
    const target = await mkdtemp(join(this.#folder, 'pulled-'));
    for (const other of there) await this.#pull(proxy, other, target);
    const before = proxy.bytes;
    await this.#pull(proxy, name, target);
    return proxy.bytes - before;
  }

  async #push(name: DebianImageName): Promise<void> {
    const place = `docker://${this.#registry.host}/debian:${name}`;
    const from = `oci:${this.#images.layout}:${name}`;
    await execute('skopeo', ['copy', '--quiet', '--dest-tls-verify=false', from, place]);
  }

  async #pull(proxy: CountingProxy, name: DebianImageName, target: string): Promise<void> {
    const place = `docker://${proxy.host}/debian:${name}`;
    const to = `oci:${target}:${name}`;
    await execute('skopeo', ['copy', '--quiet', '--src-tls-verify=false', place, to]);
  }
}

/** For how long it is watched what is fetched after an application was healthy. */
const settleMs = 1_000;
const execute = promisify(execFile);
