import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@commongrid/base';
import { KeyHasher } from './key-hash.ts';

/**
 * Published output of HalfSipHash-2-4, 64 bits, for the key 00 01 .. 07 and the inputs '', 00, 00 01, ...
 * (github.com/veorq/SipHash, vectors.h, vectors_hsip64).
 */
const PUBLISHED_2_4 = `
  218d1f59b9b83cc8 be552412f8387315 064f39ef7c50eb57 ce0f1a45f7060679 d5e78a175be52ea1
  cb9d7c3f2f3db580 ce3e91358aa2bc25 ff202728b07bc684 edfee820bce4858c 5b51cccc13888307
  95b0469f06a6f2ee ae26333994ddcd48 7bc71f9faef5c799 5a2352d75a0c3744 3bb1a870eae8e658
  217d0bcb4e81c902 7336aad25f7bf3b5 37adc0641c4c4f6a c9b2db2b9a3e42f9 f910e48020ab363c
  1bf52b0a6feea7db 00741dc269e8b3ef e20103fa1ba776ef 4c2210e54b681d73 70741045ae3fa6f1
  0c86403739714038 0d899ed8112923f0 226bf5fab81ee1b8 2d925ffb1e0016b5 361958d52cee10f1
  291aaf864898179d 863c7f155c34117c 28709d46d811626c 248477681d28f89c 8324e4d7528f9830
  f9efd4e13aea6bd8 86d67a40ec4276dc 3f6292eccca97e35 cbd92ee724d42109 368df6808d403d79
  5b38c81c67c8ae4c 95ab7189d439acb3 a91a52c025327024 5b0087c69528acea 1e30f3ad27dcb15a
  697f5c9a90324ed4 495c0f995557dc38 9427202a3c29f94d a9eaa8c04ba93e3e eea4c1737d011218
  912d568fd8f65a49 56919596b0ff5c97 02445a7998f550e1 86ec466ce71d1fb2 359569e7d289e3bc
  871b05ca62bb7c96 a1a492f942f15f1d 12ec267ff6095b6e 5d1b5ea1b231d89d d8cfb4453f92ee54
  d6762890bf26e460 313563a4b7ed5cf3 f90b3ab572d46693 2ea63c71bf326087
`
  .trim()
  .split(/\s+/);

const KEY = Buffer.from([0, 1, 2, 3, 4, 5, 6, 7]);

test('reference gives the published output of HalfSipHash-2-4', () => {
  for (const [length, expected] of PUBLISHED_2_4.entries()) {
    const [low, high] = reference(KEY, counting(length), 2, 4);
    assert.equal(hex(low, high), expected, `length ${length}`);
  }
});

test('key hasher is HalfSipHash-1-3 as the reference has it', () => {
  const random = seededRandom('half-sip-hash');
  for (let length = 0; length < 300; length++) {
    const key = Buffer.from(random.bytes(8));
    const input = Buffer.from(random.bytes(length));
    const hasher = new KeyHasher(key);
    const [low, high] = reference(key, input, 1, 3);
    hasher.hash(input, 0, length);
    assert.deepEqual([hasher.low, hasher.high], [low, high], `length ${length}`);
    // The bytes around the input do not matter.
    const inside = Buffer.concat([Buffer.from(random.bytes(5)), input, Buffer.from('rest')]);
    hasher.hash(inside, 5, length);
    assert.deepEqual([hasher.low, hasher.high], [low, high], `inside, length ${length}`);
  }
});

test('key hasher changes about half of its bits with any bit of the input or the key', () => {
  const random = seededRandom('avalanche');
  const hasher = new KeyHasher(KEY);
  const changed = new Array<number>(64).fill(0);
  const rounds = 4000;
  for (let round = 0; round < rounds; round++) {
    const secret = Buffer.from(random.bytes(8));
    const input = Buffer.from(random.bytes(20));
    const one = new KeyHasher(secret);
    one.hash(input, 0, input.length);
    const where = round % 2 === 0 ? input : secret;
    const bit = random.int(0, where.length * 8);
    where[bit >>> 3] = (where[bit >>> 3] as number) ^ (1 << (bit & 7));
    const other = new KeyHasher(secret);
    other.hash(input, 0, input.length);
    for (let i = 0; i < 32; i++) {
      changed[i] = (changed[i] as number) + (((one.low ^ other.low) >>> i) & 1);
      changed[i + 32] = (changed[i + 32] as number) + (((one.high ^ other.high) >>> i) & 1);
    }
  }
  // Six standard deviations on either side.
  for (const count of changed) assert.ok(Math.abs(count - rounds / 2) < 190, changed.join(' '));
  hasher.hash(Buffer.alloc(0), 0, 0);
  assert.ok(hasher.low !== 0 || hasher.high !== 0);
});

function counting(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_unused, i) => i));
}

function hex(low: number, high: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(low, 0);
  bytes.writeUInt32LE(high, 4);
  return bytes.toString('hex');
}

/** HalfSipHash-c-d with 64 bits of output, written down from its description, slowly. */
function reference(key: Buffer, input: Buffer, c: number, d: number): [number, number] {
  const [k0, k1] = [key.readUInt32LE(0), key.readUInt32LE(4)];
  const v: [number, number, number, number] = [k0, k1 ^ 0xee, 0x6c796765 ^ k0, 0x74656462 ^ k1];
  const padded = Buffer.alloc(input.length + 4 - (input.length % 4));
  input.copy(padded);
  padded[padded.length - 1] = input.length & 0xff;
  for (let at = 0; at < padded.length; at += 4) {
    const word = padded.readUInt32LE(at);
    v[3] ^= word;
    for (let i = 0; i < c; i++) sipRound(v);
    v[0] ^= word;
  }
  v[2] ^= 0xee;
  for (let i = 0; i < d; i++) sipRound(v);
  const low = (v[1] ^ v[3]) >>> 0;
  v[1] ^= 0xdd;
  for (let i = 0; i < d; i++) sipRound(v);
  return [low, (v[1] ^ v[3]) >>> 0];
}

function sipRound(v: [number, number, number, number]): void {
  v[0] = (v[0] + v[1]) | 0;
  v[1] = rotate(v[1], 5) ^ v[0];
  v[0] = rotate(v[0], 16);
  v[2] = (v[2] + v[3]) | 0;
  v[3] = rotate(v[3], 8) ^ v[2];
  v[0] = (v[0] + v[3]) | 0;
  v[3] = rotate(v[3], 7) ^ v[0];
  v[2] = (v[2] + v[1]) | 0;
  v[1] = rotate(v[1], 13) ^ v[2];
  v[2] = rotate(v[2], 16);
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
