import assert from 'node:assert/strict';
import { test } from 'node:test';

import { wordCard } from './word-card.ts';

test('a card shows every word once, with its number, in lines of one width', () => {
  const words = Array.from({ length: 24 }, (_word, index) => 'w'.repeat((index % 8) + 1));
  const card = wordCard(words, (word) => word);
  const widths = new Set(card.split('\n').map((line) => line.length));
  assert.equal(widths.size, 1);
  for (const [index, word] of words.entries()) {
    assert.match(card, new RegExp(`\\b${index + 1}\\. ${word}\\b`));
  }
});
