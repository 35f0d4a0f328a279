import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import type { GridFold, RecordOf, RecordUrl } from '@commongrid/model';
import { examples, Scene } from '@commongrid/model/testing';
import type { SceneOptions } from '@commongrid/model/testing';

import { requireSpread } from './spread.ts';
import type { MachinePlace } from './spread.ts';

const { country } = examples['grid.farm.1'].location;
const cellar: MachinePlace = { farm: 'cellar', owner: 'ada', country };

/** Two replicas on two machines of ada. */
function placed(options: SceneOptions = {}) {
  const scene = new Scene(options).begin();
  const [a, b] = scene.nodes;
  assert.equal(scene.run(1, [a, b]), undefined);
  const places = new Map<string, MachinePlace>(scene.nodes.map((node) => [node, cellar]));
  return { scene, places, a, b };
}

/** What is read of a fold, with parts of it bent. */
function bent(fold: GridFold, change: Partial<Fold>): Fold {
  return {
    current: fold.current.bind(fold),
    slice: (hash) => fold.slice(hash),
    objects: (url) => fold.objects(url),
    ...change,
  };
}

/** A fold whose placements have other items. */
function withItems(fold: GridFold, change: (items: Items) => Items): Fold {
  const objects = ((url: RecordUrl) => {
    if (url !== 'grid.placement.1') return fold.objects(url);
    const all = [...fold.objects('grid.placement.1')];
    return all.map((one) => ({ ...one, items: change(one.items) }));
  }) as Fold['objects'];
  return bent(fold, { objects });
}

type Fold = Parameters<typeof requireSpread>[0];
type Items = RecordOf<'grid.placement.1'>['items'];

suite('requireSpread', () => {
  test('takes what is placed as it was signed', () => {
    const { scene, places } = placed({ role: { spread: { distinctNodes: true, perFarm: 2 } } });
    assert.equal(requireSpread(scene.grid.fold, places), 2);
  });

  test('finds two on one machine that were to be apart', () => {
    const { scene, places, a } = placed({ role: { spread: { distinctNodes: true } } });
    const crowded = withItems(scene.grid.fold, (items) =>
      items.map((one) => ({ ...one, node: a })),
    );
    assert.throws(
      () => requireSpread(crowded, places),
      /2 are with .*, and 1 may be in one machine/,
    );
  });

  test('finds more in one farm than may be there', () => {
    const { scene, places } = placed();
    const { fold } = scene.grid;
    const strict = bent(fold, {
      slice: (hash) => {
        const slice = fold.slice(hash);
        if (slice === undefined) return undefined;
        const { opening } = slice;
        const role = { ...opening.role, spread: { distinctNodes: true, perFarm: 1 } };
        return { ...slice, opening: { ...opening, role } };
      },
    });
    assert.throws(
      () => requireSpread(strict, places),
      /2 are with cellar, and 1 may be in one farm/,
    );
  });

  test('finds a replica that is placed twice', () => {
    const { scene, places } = placed();
    const twice = withItems(scene.grid.fold, (items) => {
      return items.map((one) => ({ ...one, replica: 0 }));
    });
    assert.throws(() => requireSpread(twice, places), /a replica is placed twice/);
  });

  test('finds what is on a machine that is elsewhere than the log says', () => {
    const { heal } = examples['grid.contract.1'];
    const header = { heal: { ...heal, mayMoveTo: { countries: [country] } } };
    const { scene, places, a } = placed({ header });
    places.set(a, { ...cellar, farm: 'hidden', country: 'XX' });
    assert.throws(() => requireSpread(scene.grid.fold, places), /it may not be in hidden/);
  });

  test('finds what is placed on no machine of the town', () => {
    const { scene, places, a } = placed();
    places.delete(a);
    assert.throws(() => requireSpread(scene.grid.fold, places), /is no machine of the town/);
  });
});
