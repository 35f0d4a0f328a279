import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { entropyToWords, generateWords, wordsToEntropy } from './words.ts';

// From the BIP39 reference vectors (trezor/python-mnemonic, vectors.json), 256 bit entries.
const vectors = [
  ['00'.repeat(32), `${'abandon '.repeat(23)}art`],
  [
    '7f'.repeat(32),
    'legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth ' +
      'useful legal winner thank year wave sausage worth title',
  ],
  ['ff'.repeat(32), `${'zoo '.repeat(23)}vote`],
  [
    '68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c',
    'hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy ' +
      'gospel tennis maple dilemma loan word shrug inflict delay length',
  ],
] as const;

test('words give the entropy of the BIP39 vectors and back', () => {
  for (const [entropy, words] of vectors) {
    assert.equal(wordsToEntropy(words).toHex(), entropy);
    assert.equal(entropyToWords(Uint8Array.fromHex(entropy)), words);
  }
});

test('words round-trip for any entropy, whatever case and spacing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (entropy) => {
      const words = entropyToWords(entropy);
      assert.deepEqual(wordsToEntropy(words), entropy);
      assert.deepEqual(wordsToEntropy(`  ${words.toUpperCase().replaceAll(' ', ' \n')} `), entropy);
    }),
  );
});

test('generateWords gives 24 other words each time', () => {
  const words = generateWords();
  assert.equal(words.split(' ').length, 24);
  assert.equal(wordsToEntropy(words).length, 32);
  assert.notEqual(words, generateWords());
});

test('words are refused with a hint that does not tell them', () => {
  const good = vectors[3][1];
  const cases: [string, RegExp][] = [
    ['', /1 words, not 24/],
    [good.split(' ').slice(0, 12).join(' '), /12 words, not 24/],
    [good.replace('dutch', 'duchess'), /^word 4 is not in the list$/],
    [good.replace('hamster diagram', 'diagram hamster'), /checksum/],
  ];
  for (const [words, message] of cases) {
    assert.throws(() => wordsToEntropy(words), { code: 'CRYPTO_WORDS_INVALID', message });
  }
  assert.throws(() => entropyToWords(new Uint8Array(16)), { code: 'CRYPTO_WORDS_INVALID' });
});
