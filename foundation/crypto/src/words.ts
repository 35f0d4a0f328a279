import { randomBytes } from 'node:crypto';
import { GridError } from '@commongrid/base';
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import type { CryptoErrorCode } from './errors.ts';

const wordCount = 24;
const entropyBytes = 32;

/** 24 fresh recovery words (BIP39, English): 256 random bits and 8 bits of checksum. */
export function generateWords(): string {
  return entropyToWords(randomBytes(entropyBytes));
}

/**
 * The 32 bytes behind the words. Case and spacing do not matter.
 * @throws CRYPTO_WORDS_INVALID; it tells the place of a wrong word, never the word.
 */
export function wordsToEntropy(words: string): Uint8Array {
  const list = words.trim().toLowerCase().split(/\s+/);
  if (list.length !== wordCount) throw invalid(`these are ${list.length} words, not ${wordCount}`);
  const wrong = list.findIndex((word) => !wordlist.includes(word));
  if (wrong >= 0) throw invalid(`word ${wrong + 1} is not in the list`, wrong + 1);
  try {
    return mnemonicToEntropy(list.join(' '), wordlist);
  } catch {
    // The cause is left out on purpose: its text is not ours and could quote the words.
    throw invalid('the checksum does not fit: a word is wrong or two are swapped');
  }
}

/** @throws CRYPTO_WORDS_INVALID unless given 32 bytes. */
export function entropyToWords(entropy: Uint8Array): string {
  if (entropy.length !== entropyBytes) throw invalid(`${entropy.length} bytes make no 24 words`);
  return entropyToMnemonic(entropy, wordlist);
}

function invalid(message: string, position?: number): GridError<CryptoErrorCode> {
  return new GridError('CRYPTO_WORDS_INVALID', message, {
    hint: 'compare each word with the recovery card',
    details: position === undefined ? {} : { position },
  });
}
