import { join } from 'node:path';

import { SigningKey } from '@commongrid/crypto';
import { tempFolder } from '@commongrid/base/testing';

import { encodeFlist } from '../src/format/encode-flist.ts';
import type { FlistDigest } from '../src/format/flist.ts';
import { packFlist } from '../src/format/pack-flist.ts';
import { HubClient } from '../src/hub/hub-client.ts';
import type { HubClientOptions } from '../src/hub/hub-client.ts';
import { HubServer } from '../src/hub/hub-server.ts';
import type { HubServerOptions } from '../src/hub/hub-server.ts';
import type { KeyDirectory } from '../src/ports.ts';
import { FlistRepository } from '../src/store/flist-repository.ts';
import type { TestImage } from './store-images.ts';

/** Users by the byte of which their key is made. */
export const alice = keyOf(1);
export const bob = keyOf(2);
export const root = keyOf(3);
export const carol = keyOf(4);
export const stranger = keyOf(5);

const users = new Map([
  [alice.publicKey.text, 'alice'],
  [bob.publicKey.text, 'bob'],
  [root.publicKey.text, 'root'],
  [carol.publicKey.text, 'carol'],
]);

export const keys: KeyDirectory = { userOf: async (key) => users.get(key) };

export interface HubUnderTest extends AsyncDisposable {
  readonly folder: string;
  readonly server: HubServer;
  /** Of a maker of images. */
  readonly repository: FlistRepository;
  readonly client: (key?: SigningKey, more?: Partial<HubClientOptions>) => HubClient;
}

/** A hub, and the repository of somebody who makes images: a new one, unless it is given. */
export async function hubUnderTest(
  more: Partial<HubServerOptions> = {},
  maker?: FlistRepository,
): Promise<HubUnderTest> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder('hub'));
  const hubFolder = join(folder.path, 'hub');
  const server = stack.use(
    await HubServer.open({
      ...{ folder: hubFolder, keys },
      ...(more.ownerKey === undefined ? { owner: 'root' } : {}),
      ...more,
    }),
  );
  const makerFolder = join(folder.path, 'maker');
  const repository = maker ?? stack.use(await FlistRepository.open({ folder: makerFolder }));
  const owned = stack.move();
  return {
    folder: hubFolder,
    server,
    repository,
    client: (key, options = {}) =>
      new HubClient({ url: server.url, ...(key === undefined ? {} : { key }), ...options }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Makes an image with its chunks in a repository. */
export async function keepImage(
  repository: FlistRepository,
  { flist, chunks }: TestImage,
): Promise<FlistDigest> {
  for (const chunk of chunks) await repository.put(chunk);
  return repository.putFlist(await packFlist(encodeFlist(flist)));
}

function keyOf(byte: number): SigningKey {
  return SigningKey.fromSeed(Buffer.alloc(32, byte));
}
