/** A put that a test kills: it never ends. Argument: the options of the store, as JSON. */
import { Stor } from '../../src/stor.ts';
import type { StorOptions } from '../../src/stor.ts';
import { mebibyte, randomBytesOf } from '../support/cluster.ts';

const options = JSON.parse(process.argv[2] ?? '') as StorOptions;
await using stor = await Stor.open(options);
await stor.put('half', endless());

async function* endless(): AsyncGenerator<Buffer> {
  for (let sent = 0; ; sent += mebibyte) {
    if (sent === 32 * mebibyte) process.stdout.write('half way\n');
    yield randomBytesOf(mebibyte, sent);
  }
}
