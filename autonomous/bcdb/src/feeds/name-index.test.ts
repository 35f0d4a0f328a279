import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeId } from '@commongrid/model/testing';
import fc from 'fast-check';
import { LayeredStore } from '../state/layered-store.ts';
import { StateView } from '../state/state-view.ts';
import { NameIndex } from './name-index.ts';

const url = 'grid.lock.1';
const payload = fc.option(fc.array(fc.integer({ min: 0, max: 6 }).map(fakeId.bot)), {
  nil: undefined,
});
const change = fc.record({
  member: fc.integer({ min: 0, max: 5 }).map((n) => `grid lock:${n}`),
  payload,
  isDropped: fc.boolean(),
});

test('who names an id is found after any changes, and after those that were taken back', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      using store = LayeredStore.open(':memory:');
      const view = new StateView(store);
      const index = new NameIndex(view);
      const all = new Map<string, readonly string[] | undefined>();
      for (const { member, payload: after, isDropped } of changes) {
        index.move(url, member, all.get(member), after);
        if (isDropped) view.dropChanges();
        else {
          view.takeChanges();
          all.set(member, after);
        }
        for (let n = 0; n <= 6; n++) {
          const id = fakeId.bot(n);
          const expected = [...all].flatMap(([name, ids]) => (ids?.includes(id) ? [name] : []));
          assert.deepEqual([...index.naming(url, id)].toSorted(), expected.toSorted());
        }
      }
    }),
  );
});
