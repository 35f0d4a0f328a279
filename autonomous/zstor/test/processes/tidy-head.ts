/**
 * A head that packs and collects, and ends itself at a step of that. Arguments: the options of its store
 * as JSON, at which step, and which time that it comes there. It prints what it does, line by line.
 */
import type { BlobStoreOptions } from '../../src/blob-store.ts';
import { SmallFiles } from '../support/small-files.ts';

const given = JSON.parse(process.argv[2] ?? '') as Omit<BlobStoreOptions, 'schema' | 'policy'>;
const last = process.argv[3];
let left = Number(process.argv[4]);
let isDone = false;

await using files = await SmallFiles.open({ ...given, canBegin: true, onStep });
const { collection } = files.store;
const passing: string[] = [];
for (const round of ['a', 'b', 'c']) {
  for (let at = 0; at < 14; at++) {
    const name = `${round}${at}`;
    await files.put(name);
    say(`put ${name}`);
    if (at % 7 > 0) passing.push(name);
  }
  await collection.packer.pack({ isAtOnce: true });
  for (const name of passing.splice(0)) {
    say(`removing ${name}`);
    await files.remove(name);
  }
  await collection.runNow();
}
await collection.runNow();
isDone = true;

function onStep(name: string): void {
  if (isDone) return;
  say(`step ${name}`);
  if (name !== last) return;
  left--;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

/** Pipes are written at once: nothing is lost with the process. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
