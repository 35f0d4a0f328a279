// Follows nodes of a server, each with a light follower; notes when records reach the first of them.
// Argument: the task as JSON. Any message makes it tell what it noted, and forget it.
import { join } from 'node:path';
import { once } from 'node:events';
import { shutdownSignal } from '@commongrid/base';
import { nodeIdOf } from '@commongrid/model';
import { HttpLightSource } from '../../src/client/http-light-source.ts';
import { LightFollower } from '../../src/follow/light-follower.ts';
import { keyOf } from '../../src/testing/feeds-town.ts';
import { nodeName } from './news-messages.ts';
import type { NewsReadersTask, Stamp } from './news-messages.ts';

/** From one look for records to the next, ms. */
const lookEveryMs = 2;

const task = JSON.parse(process.argv[2] ?? '{}') as NewsReadersTask;
const { port, log, sequencerKey, dataDir, readers } = task;
const signal = shutdownSignal();
await using followers = new AsyncDisposableStack();
let first: LightFollower | undefined;
for (let n = 0; n < readers; n++) {
  const key = keyOf(nodeName(n));
  const source = new HttpLightSource({ url: `http://127.0.0.1:${port}`, log, key });
  const follower = followers.use(
    await LightFollower.open({
      ...{ dataDir: join(dataDir, String(n)), trust: { log, sequencerKey }, source },
      reader: nodeIdOf(key.publicKey.text),
    }),
  );
  await follower.sync();
  void follower.follow({ signal });
  first ??= follower;
}

let seen: Stamp[] = [];
let looking: NodeJS.Timeout | undefined;
let arrived = 0;
const look = (): void => {
  for (const one of first?.changes(arrived) ?? []) {
    arrived = one.arrived;
    seen.push([one.seq, String(process.hrtime.bigint())]);
  }
};
process.on('message', (isLooking: boolean) => {
  clearInterval(looking);
  if (isLooking) looking = setInterval(look, lookEveryMs);
  process.send?.(seen);
  seen = [];
});
process.send?.(true);
if (!signal.aborted) await once(signal, 'abort');
clearInterval(looking);
process.disconnect?.();
