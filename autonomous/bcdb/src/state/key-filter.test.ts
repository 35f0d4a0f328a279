import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyFilter } from './key-filter.ts';

test('a filter knows each key that was added, and most that were not', () => {
  const filter = new KeyFilter();
  const count = 50_000;
  for (let index = 0; index < count; index++) filter.add(`h people net.example.1 o${index}`);
  let wrong = 0;
  for (let index = 0; index < count; index++) {
    assert.equal(filter.mayHave(`h people net.example.1 o${index}`), true);
    if (filter.mayHave(`h people net.example.1 p${index}`)) wrong++;
  }
  assert.ok(wrong < count / 20, `${wrong} of ${count} absent keys look as if they were there`);
});

test('a filter that outgrew its room knows each key, and still most that were not added', () => {
  const filter = new KeyFilter();
  const count = 300_000;
  for (let index = 0; index < count; index++) filter.add(`k${index}`);
  let wrong = 0;
  for (let index = 0; index < count; index++) {
    assert.ok(filter.mayHave(`k${index}`));
    if (filter.mayHave(`absent ${index}`)) wrong++;
  }
  assert.ok(wrong < count / 20, `${wrong} of ${count} absent keys look as if they were there`);
});
