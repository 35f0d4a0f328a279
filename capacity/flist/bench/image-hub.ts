import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { encodeFlist } from '../src/format/encode-flist.ts';
import { flistDigestOf } from '../src/format/flist.ts';
import type { FlistDigest } from '../src/format/flist.ts';
import { packFlist, unpackFlist } from '../src/format/pack-flist.ts';
import { HubServer } from '../src/hub/hub-server.ts';
import { HubClient } from '../src/hub/hub-client.ts';
import { importImage } from '../src/oci/import-image.ts';
import { OciLayout } from '../src/oci/oci-layout.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import { alice, keys } from '../test/hub-harness.ts';

/** A hub with images, and the repository from which they were uploaded. */
export class ImageHub implements AsyncDisposable {
  readonly server: HubServer;
  readonly #repository: FlistRepository;
  readonly #client: HubClient;
  readonly #stack: AsyncDisposableStack;

  private constructor(server: HubServer, repository: FlistRepository, stack: AsyncDisposableStack) {
    this.server = server;
    this.#repository = repository;
    this.#client = new HubClient({ url: server.url, key: alice });
    this.#stack = stack;
  }

  static async open(folder: string): Promise<ImageHub> {
    await using stack = new AsyncDisposableStack();
    const repository = stack.use(await FlistRepository.open({ folder: join(folder, 'made') }));
    const server = stack.use(await HubServer.open({ folder: join(folder, 'hub'), keys }));
    return new ImageHub(server, repository, stack.move());
  }

  /** Imports an image of a layout, uploads it, and lets the hub pack its chunks again. */
  async add(layout: string, name: string): Promise<FlistDigest> {
    const digest = await this.bring(layout, name);
    await this.server.repack();
    return digest;
  }

  /** The same, as it is until the hub packs chunks again. */
  async bring(layout: string, name: string): Promise<FlistDigest> {
    const { flist } = await importImage(new OciLayout(layout, name), this.#repository);
    await this.#repository.sync();
    return this.#upload(await packFlist(encodeFlist(flist)));
  }

  /** Uploads what a file has, the flist of an image whose content is here. */
  async addFile(path: string): Promise<FlistDigest> {
    return this.#upload(await readFile(path));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  async #upload(packed: Buffer): Promise<FlistDigest> {
    const digest = flistDigestOf(await unpackFlist(packed));
    await this.#repository.putFlist(packed);
    await this.#client.upload(digest, this.#repository);
    return digest;
  }
}
