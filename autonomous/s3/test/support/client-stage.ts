import { join } from 'node:path';

import { tempFolder } from '@commongrid/base/testing';
import { ZdbFleet } from '@commongrid/zstor/testing';

import { makeSample } from './client-sample.ts';
import type { ClientSample } from './client-sample.ts';
import { fourPlusTwo, HeadProcess } from './head-process.ts';

/** What real clients work with: a head over six servers, files to send, a home of their own. */
export class ClientStage implements AsyncDisposable {
  readonly port: number;
  /** Also for what they bring back. */
  readonly home: string;
  readonly sample: ClientSample;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    { port, home, sample }: Pick<ClientStage, 'port' | 'home' | 'sample'>,
    stack: AsyncDisposableStack,
  ) {
    this.port = port;
    this.home = home;
    this.sample = sample;
    this.#stack = stack;
  }

  static async open(): Promise<ClientStage> {
    await using stack = new AsyncDisposableStack();
    const home = stack.use(await tempFolder('s3-clients')).path;
    const sample = await makeSample(join(home, 'sample'));
    const fleet = stack.use(await ZdbFleet.open(6));
    const backendsFile = await fleet.makeStore('clients');
    const folder = join(home, 'head');
    const place = { folder, backendsFile, keyFile: join(home, 'key'), policy: fourPlusTwo };
    const { port } = stack.use(await HeadProcess.open(place));
    return new ClientStage({ port, home, sample }, stack.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
