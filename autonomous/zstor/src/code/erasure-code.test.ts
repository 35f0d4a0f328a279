import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { scalarDecode, scalarEncode } from '../testing/scalar-code.ts';
import { ErasureCode } from './erasure-code.ts';
import { kernelModule } from './kernel.ts';
import { ShardMixer } from './shard-mixer.ts';

const mixers = {
  relaxed: new ShardMixer(kernelModule('relaxed')),
  plain: new ShardMixer(kernelModule('plain')),
};

/** Shards of the vectors: as the program beside ISA-L made them. */
function vectorData(count: number, lengthBytes: number): Uint8Array[] {
  return Array.from({ length: count }, (_, shard) =>
    Uint8Array.from({ length: lengthBytes }, (_byte, at) => shard * 31 + at * at + (at >> 3) + 7),
  );
}

test('encode gives the parity that ISA-L 2.30 gives, with both kinds of swizzle', () => {
  const vectors: [number, number, number, string][] = [
    [1, 3, 8, '11b5b3b8f5a5d42873d6f4ddf80e4ab1ab6fad486b7882b308bea35c070f1575'],
    [4, 2, 16, '4938430ac7a1415f69b6ef985b37b7a5b80c950ed4fd5d35d2d9ee803711b0df'],
    [16, 4, 1000, 'b9c0c5fa8b2e3732ff1ad230e38c22c41c5da6b4c7c8cf6e0e20d5f45262286d'],
    [5, 250, 64, '5395905bf88db1f7437188f763ab506af14ef9b39420a32da58b305fb91c88d6'],
    [128, 127, 100, '176dd48cfeaf76df908be8b7a55e821f4be1b8fa3b2162ae2b3310d1fc64a604'],
    [250, 5, 333, 'c0d0015b5580ef866fdbad3cc11c4032afa974aecf46502ab8538867dafd5fe1'],
  ];
  for (const mixer of Object.values(mixers)) {
    for (const [dataShards, parityShards, lengthBytes, expected] of vectors) {
      const code = new ErasureCode(dataShards, parityShards, mixer);
      const hash = createHash('sha256');
      for (const shard of code.encode(vectorData(dataShards, lengthBytes))) hash.update(shard);
      assert.equal(hash.digest('hex'), expected, `${dataShards}+${parityShards}`);
    }
  }
});

test('encode gives two parities that were worked out by hand', () => {
  const parity = new ErasureCode(4, 2).encode(vectorData(4, 16));
  assert.deepEqual(
    parity.map((shard) => Buffer.from(shard).toString('hex')),
    ['adf430ed97df08f6885f099b0357dab6', 'f91464abc3c8206a680b0b85e37f6953'],
  );
});

const anyCode = fc
  .record({
    dataShards: fc.integer({ min: 1, max: 40 }),
    parityShards: fc.integer({ min: 1, max: 20 }),
  })
  .chain(({ dataShards, parityShards }) =>
    fc.record({
      dataShards: fc.constant(dataShards),
      parityShards: fc.constant(parityShards),
      lengthBytes: fc.integer({ min: 0, max: 300 }),
      seed: fc.nat(),
      lost: fc.uniqueArray(fc.nat(dataShards + parityShards - 1), { maxLength: parityShards }),
      mixer: fc.constantFrom(...Object.values(mixers)),
    }),
  );

function randomShards(count: number, lengthBytes: number, seed: number): Uint8Array[] {
  const bytes = createHash('shake256', { outputLength: Math.max(1, count * lengthBytes) })
    .update(String(seed))
    .digest();
  return Array.from({ length: count }, (_, at) =>
    bytes.subarray(at * lengthBytes, (at + 1) * lengthBytes),
  );
}

test('any k shards give all others, as the scalar code does, for any k, m and length', () => {
  fc.assert(
    fc.property(anyCode, ({ dataShards, parityShards, lengthBytes, seed, lost, mixer }) => {
      const data = randomShards(dataShards, lengthBytes, seed);
      const code = new ErasureCode(dataShards, parityShards, mixer);
      const parity = code.encode(data);
      assert.deepEqual(parity.map(plain), scalarEncode(data, parityShards).map(plain));
      const all = [...data, ...parity];
      const left = all.map((shard, index) => (lost.includes(index) ? undefined : shard));
      const expected = lost.map((index) => plain(all[index] ?? new Uint8Array()));
      assert.deepEqual(code.reconstruct(left, lost).map(plain), expected);
      assert.deepEqual(scalarDecode(dataShards, left).map(plain), data.map(plain));
    }),
    { numRuns: 60 },
  );
});

test('reconstruct works up to 255 shards and over many slices', () => {
  for (const [dataShards, parityShards, lengthBytes] of [
    [128, 127, 5000],
    [254, 1, 70],
    [1, 254, 70],
    [3, 5, 100_001],
  ] as const) {
    const code = new ErasureCode(dataShards, parityShards);
    const data = randomShards(dataShards, lengthBytes, dataShards);
    const all = [...data, ...code.encode(data)];
    const lost = Array.from({ length: parityShards }, (_, at) => at);
    const left = all.map((shard, index) => (index < parityShards ? undefined : shard));
    assert.deepEqual(
      code.reconstruct(left, lost).map(plain),
      all.slice(0, parityShards).map(plain),
    );
  }
});

test('reconstruct repairs one shard, data or parity, into a buffer that is given', () => {
  const code = new ErasureCode(6, 3);
  const data = randomShards(6, 1000, 1);
  const all = [...data, ...code.encode(data)];
  for (const [index, expected] of all.entries()) {
    const left = all.map((shard, at) => (at === index ? undefined : shard));
    const output = new Uint8Array(1000);
    assert.equal(code.reconstruct(left, [index], [output])[0], output);
    assert.deepEqual(output, plain(expected));
  }
});

test('a wrong shard gives other bytes and no error: hashes find it, not the code', () => {
  const code = new ErasureCode(4, 2);
  const data = randomShards(4, 64, 7);
  const all: (Uint8Array | undefined)[] = [...data, ...code.encode(data)];
  const [first] = data;
  all[0] = undefined;
  all[1] = Uint8Array.from(all[1] ?? [], (value, at) => (at === 5 ? value ^ 1 : value));
  const [made] = code.reconstruct(all, [0]);
  assert.notDeepEqual(plain(made ?? new Uint8Array()), plain(first ?? new Uint8Array()));
});

test('codes refuse numbers that make none, too few shards and unequal lengths', () => {
  for (const [dataShards, parityShards] of [
    [0, 4],
    [4, 0],
    [200, 56],
    [1.5, 2],
    [NaN, 1],
  ] as const) {
    assert.throws(() => new ErasureCode(dataShards, parityShards), {
      code: 'ZSTOR_POLICY_INVALID',
    });
  }
  const code = new ErasureCode(2, 1);
  const shard = new Uint8Array(64);
  assert.throws(() => code.encode([shard]), { code: 'ZSTOR_SHARDS_TOO_FEW' });
  assert.throws(() => code.encode([shard, shard.subarray(1)]), { code: 'ZSTOR_SHARDS_UNEQUAL' });
  assert.throws(() => code.encode([shard, shard], [shard, shard]), {
    code: 'ZSTOR_SHARDS_UNEQUAL',
  });
  assert.throws(() => code.reconstruct([shard], [1]), {
    code: 'ZSTOR_SHARDS_TOO_FEW',
    retryable: true,
  });
});

test('reconstruct makes no shard that is there, and none that the code has not', () => {
  const code = new ErasureCode(2, 1);
  const shard = new Uint8Array(64);
  assert.throws(
    () => code.reconstruct([shard, shard], [1]),
    /shard 1 is one of the code, and lost/,
  );
  assert.throws(
    () => code.reconstruct([shard, shard], [3]),
    /shard 3 is one of the code, and lost/,
  );
});

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
