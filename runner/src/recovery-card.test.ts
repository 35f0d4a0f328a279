import assert from 'node:assert/strict';
import { test } from 'node:test';

import { generateWords, SigningKey } from '@commongrid/crypto';

import { cardJson, cardText, readCard } from './recovery-card.ts';

const card = {
  name: 'anna',
  bot: `bot:${'A'.repeat(43)}`,
  log: 'L'.repeat(43),
  sequencer: SigningKey.generate().publicKey.text,
  addresses: ['http://127.0.0.1:1', 'https://db.example'],
  words: generateWords(),
};

test('a card is read as it was printed, as text and as JSON', () => {
  assert.deepEqual(readCard(cardText(card)), card);
  assert.deepEqual(readCard(JSON.stringify(cardJson(card))), card);
  // Typed in again, with other spaces and an end of line of elsewhere.
  const typed = cardText(card).replaceAll(': ', ':   ').replaceAll('\n', '\r\n');
  assert.deepEqual(readCard(typed), card);
});

test('a card that is cut off or mistyped is refused', () => {
  for (const label of ['log', 'sequencer', 'bot', 'database', 'words']) {
    const cut = cardText(card).replaceAll(new RegExp(`^${label}: .*$`, 'gm'), '');
    assert.throws(() => readCard(cut), label);
  }
  const words = card.words.split(' ').slice(1).join(' ');
  assert.throws(() => readCard(cardText({ ...card, words })), { code: 'CRYPTO_WORDS_INVALID' });
  assert.throws(() => readCard('{"schema":"grid.bot.card.2"}'), /version/);
});
