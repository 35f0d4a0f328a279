import type { DemoNode } from '../demo-node.ts';
import type { DemoStep } from '../steps.ts';
import { contractOf, must, storeOf } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { namesOf, placedOn, placementOf, untilBlocked, untilWhole } from './contract-places.ts';
import { drawn, secondsSince, withoutMachines } from './outage.ts';
import { victimsOf } from './victims.ts';
import { StoreProbe } from './store-probe.ts';
import type { ProbeAnswer } from './store-probe.ts';

/** For one request, s: it is answered long before, or it hangs. */
const requestSeconds = 60;
/** Names that S3 gives for what cannot be done now, and clients try again. */
const refusals: ReadonlySet<string> = new Set([
  'ObjectUnavailable',
  'BackendsUnavailable',
  'ServiceUnavailable',
]);

/**
 * One machine with shards more than the code bears loses its power. What they had cannot be read, and nothing is
 * written that would not last: both are said by name. Nothing is placed elsewhere, since what is on these machines is needed.
 * When one of them is back all can be read, and the others are replaced.
 */
export const tooManyLostStep: DemoStep<ArchiveScene> = {
  name: 'too many lost',
  needs: ['data'],
  async run(scene) {
    const { town, shards } = scene;
    const { traffic } = storeOf(scene);
    const { id } = contractOf(scene);
    const probe = await StoreProbe.open(scene);
    const key = 'probe/too-many-lost';
    must((await probe.put(key, requestSeconds)).status === 200, 'a write was refused before');
    const victims = await chosen(scene);
    const [first, ...others] = victims;
    if (first === undefined) throw new Error('no machine has shards');
    const before = await shardPlaces(scene);
    const { read, write, seconds, wholeSeconds } = await withoutMachines(
      scene,
      victims,
      async () => {
        const refused = await traffic.expectingFailures(async () => {
          const said = await untilRefused(scene, probe, key);
          await untilBlocked(scene, 'HEAL_SHARDS_AWAY');
          must((await shardPlaces(scene)) === before, 'shards were placed elsewhere');
          const startedMs = performance.now();
          first.restart();
          await town.until('what cannot be read to be there again', async () => {
            return (await probe.get(key, requestSeconds)).status === 200;
          });
          return { ...said, seconds: secondsSince(startedMs) };
        });
        const startedMs = performance.now();
        await untilWhole(scene, others);
        return { ...refused, wholeSeconds: secondsSince(startedMs) };
      },
    );
    for (const each of probe.keys) {
      const { status } = await probe.get(each, requestSeconds);
      must(status === 200, `${each}, which was acknowledged, is answered ${status}`);
    }
    const left = placedOn(town, await placementOf(town, id), 'shards');
    must(left.includes(first), `${first.name}, which came back in time, lost its shard`);
    const lost = `${namesOf(victims)} lost, ${shards.parity} are borne`;
    const said = `reads are refused with ${read}, writes with ${write}`;
    const back = `${first.name} back: all read again after ${seconds.toFixed(1)} s, the store whole ${wholeSeconds.toFixed(1)} s later`;
    return { figure: `${lost}; ${said}; ${back}`, measures: { readableAgainSeconds: seconds } };
  },
};

interface Refused {
  /** Names that S3 gives. */
  readonly read: string;
  readonly write: string;
}

/** Reads and writes until both are refused. @throws when one is answered neither rightly nor with a name */
async function untilRefused(
  { town }: ArchiveScene,
  probe: StoreProbe,
  key: string,
): Promise<Refused> {
  let count = 0;
  const look = async (
    kind: 'read' | 'write',
    ask: () => Promise<ProbeAnswer>,
  ): Promise<string | false> => {
    const { status, code, seconds } = await ask();
    count++;
    const isClean = status === 200 || refusals.has(code);
    must(isClean, `a ${kind} was answered ${status} ${code} after ${seconds.toFixed(1)} s`);
    return status !== 200 && code;
  };
  const read = await town.until('a read to be refused', () => {
    return look('read', () => probe.get(key, requestSeconds));
  });
  const write = await town.until('a write to be refused', () => {
    return look('write', () => probe.put(`probe/late-${count}`, requestSeconds));
  });
  return { read, write };
}

/** Machines with shards, none of them with a head, so that somebody is there to answer. */
async function chosen(scene: ArchiveScene): Promise<readonly DemoNode[]> {
  const { town, shards, random } = scene;
  const items = await placementOf(town, contractOf(scene).id);
  const heads = new Set(placedOn(town, items, 'heads'));
  const holders = placedOn(town, items, 'shards').filter((node) => !heads.has(node));
  const members = ['log', 'keys'].map((role) => new Set(placedOn(town, items, role)));
  const count = shards.parity + 1;
  const order = drawn(holders, holders.length, random);
  const victims = victimsOf(order, { count, members, borne: shards.parity });
  if (victims === undefined)
    throw new Error(`fewer than ${count} machines with shards have no head`);
  return victims;
}

/** Where shards are placed, in words that can be compared. */
async function shardPlaces(scene: ArchiveScene): Promise<string> {
  const items = await placementOf(scene.town, contractOf(scene).id);
  const own = items.filter(({ role }) => role === 'shards');
  return own
    .map(({ replica, node }) => `${replica} ${node}`)
    .toSorted()
    .join();
}
