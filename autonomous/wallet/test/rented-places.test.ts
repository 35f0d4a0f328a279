import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeId, WalletScene } from '@commongrid/model/testing';
import type { Actor } from '@commongrid/model/testing';
import { rentedPlaces } from '../src/rented-places.ts';
import type { RentedPlace } from '../src/rented-places.ts';
import { SceneRail } from './support/scene-rail.ts';

/** Of the contract's terms, and of the notice after them, hours. */
const [graceHours, noticeHours] = [14 * 24, 7 * 24];

async function placeIn(scene: WalletScene, who: Actor): Promise<RentedPlace> {
  const [place, ...others] = rentedPlaces(await new SceneRail(scene, who).sync());
  assert.ok(place !== undefined && others.length === 0);
  return place;
}

/** Ada pays bob for an hour on his node. */
function rented(): WalletScene {
  const scene = new WalletScene();
  assert.equal(scene.rent(1, 360), undefined);
  return scene;
}

test('a place that is paid no more is warned of, stands still, and goes only by a tombstone', async () => {
  const scene = rented();
  const { ada, bob, bobsNode } = scene;
  const standings: string[] = [];
  const look = async (hour: number): Promise<RentedPlace> => {
    scene.at(hour);
    const [place, farmers] = [await placeIn(scene, ada), await placeIn(scene, bob)];
    assert.deepEqual(farmers, place, 'both sides see the same');
    standings.push(place.standing);
    return place;
  };
  const bury = () => scene.bury(1, 'unpaid', bob.device, 0, bobsNode);
  const paid = await look(0);
  assert.deepEqual([paid.paidUntilMs, paid.pausesMs], [scene.hour(1), scene.hour(1 + graceHours)]);
  assert.equal(paid.keptUntilMs, scene.hour(1 + graceHours + noticeHours));

  // The node's report shows later that the money is used up: from then on the notice counts.
  assert.equal((await look(2)).keptUntilMs, scene.hour(2 + graceHours + noticeHours));
  assert.equal(scene.receipt(1, 0, 1), undefined);
  const warned = await look(3);
  assert.equal(warned.keptUntilMs, scene.hour(2 + graceHours + noticeHours));
  assert.equal(warned.pausesMs, scene.hour(1 + graceHours));
  await look(1 + graceHours);
  await look(2 + graceHours + noticeHours - 0.001);
  assert.equal(bury(), 'TOMBSTONE_TOO_EARLY');
  const { revision } = await look(2 + graceHours + noticeHours);
  assert.equal(revision, 1);
  assert.equal(bury(), undefined);
  await look(2 + graceHours + noticeHours);
  const [p, w, z] = ['paid', 'warned', 'paused'];
  assert.deepEqual(standings, [p, w, w, z, z, 'forfeit', 'discarded']);
});

test('money that comes in the grace ends the warning, and what moved away is kept as long', async () => {
  const scene = rented();
  scene.at(1);
  assert.equal(scene.receipt(1, 0, 1), undefined);
  assert.equal((await placeIn(scene, scene.ada)).standing, 'warned');
  assert.equal(scene.rent(2, 3600, 2), undefined);
  const renewed = await placeIn(scene, scene.ada);
  assert.deepEqual([renewed.standing, renewed.lock], ['paid', fakeId.lock(2)]);
  scene.at(2);
  assert.equal(scene.settle(3), undefined);
  const left = await placeIn(scene, scene.bob);
  assert.deepEqual(
    [left.standing, left.paidUntilMs, left.pausesMs],
    ['left', undefined, undefined],
  );
  assert.equal(left.keptUntilMs, scene.hour(2 + graceHours + noticeHours));
  // Its lock has an hour for disputes; reports may take two more.
  assert.deepEqual([left.held, left.backMs], ['3600', scene.hour(5)]);
  assert.deepEqual([renewed.held, renewed.backMs], ['3600', undefined]);
  scene.at(2 + graceHours + noticeHours);
  assert.equal((await placeIn(scene, scene.bob)).standing, 'forfeit');
});
