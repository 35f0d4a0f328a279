import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LayeredStore } from './layered-store.ts';

const key = fc.constantFrom('a 1', 'b 1', 'b 2', 'b 3', 'b 4', 'c 1');
const layer = fc.array(fc.tuple(key, fc.option(fc.constant('x'), { nil: undefined })));

test('store gives the first key of a prefix as a scan over all layers does', () => {
  fc.assert(
    fc.property(fc.array(layer), fc.nat(4), layer, (layers, sunk, changes) => {
      using store = LayeredStore.open(':memory:');
      for (const [index, entries] of layers.entries()) {
        store.push(new Map(entries));
        if (index < sunk) store.sink();
      }
      const before = store.firstKey('b ', []);
      assert.equal(before, [...store.scan('b ').keys()][0]);
      const above = new Map(changes);
      const first = store.firstKey('b ', [above]);
      store.push(above);
      assert.equal(first, [...store.scan('b ').keys()][0]);
    }),
  );
});
