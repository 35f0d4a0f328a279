import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';

/** What a verifier says. A refused key never gets to look at a signature. */
export type Verdict = 'accepted' | 'refused' | 'key refused';

/** An Ed25519 signature on which verifiers are known to part, and what ours must say. */
export interface EdgeCase {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly verdict: Verdict;
}

/** The published cases, and those made here for what they leave out. */
export function edgeCases(): EdgeCase[] {
  return [
    ...published.map(([publicKey, message, signature, verdict], index) => ({
      name: `case ${index} of ed25519-speccheck`,
      publicKey: hex(publicKey),
      message: hex(message),
      signature: hex(signature),
      verdict,
    })),
    ...lengthCases(),
    ...numberCases(),
    ...pointCases(),
    ...mixedOrderCases(),
  ];
}

// The ten cases of ed25519-speccheck, the tool of "Taming the many EdDSAs" (Chalkias, Garillot,
// Nikolaenko 2020): public key, message, signature, verdict. 0, 1: the key has small order. 2: R
// has. 3: both are of mixed order and the equation holds without the cofactor. 4, 5: it holds only
// with the cofactor. 6, 7: S >= L. 8, 9: R is not canonical.
const published: readonly (readonly [string, string, string, Verdict])[] = [
  [
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    '8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000',
    'key refused',
  ],
  [
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
    '9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79',
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04',
    'key refused',
  ],
  [
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    'aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e',
    'refused',
  ],
  [
    'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    '9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79',
    '9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009',
    'accepted',
  ],
  [
    'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c',
    '160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09',
    'refused',
  ],
  [
    'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d',
    'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c',
    '21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405',
    'refused',
  ],
  [
    '442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623',
    '85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40',
    'e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514',
    'refused',
  ],
  [
    '442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623',
    '85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40',
    '8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22',
    'refused',
  ],
  [
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    'fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607',
    'refused',
  ],
  [
    'f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43',
    '84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09',
    'refused',
  ],
];

const { Point } = ed25519;
type Point = typeof Point.BASE;

const order = Point.Fn.ORDER;
const p = 2n ** 255n - 19n;

/** A secret number, its key, and a good signature by it. */
const secret = 0x1234567890abcdefn;
const key = Point.BASE.multiply(secret);
const text = new TextEncoder().encode('edge');
const good = signWith({ secret, key, nonce: 77n, message: text });

function lengthCases(): EdgeCase[] {
  const longer = new Uint8Array(65);
  longer.set(good);
  const empty = new Uint8Array();
  const emptySigned = signWith({ secret, key, nonce: 78n, message: empty });
  return [
    edge('good signature', { verdict: 'accepted' }),
    edge('empty message', { message: empty, signature: emptySigned, verdict: 'accepted' }),
    edge('no signature', { signature: empty }),
    edge('63 bytes', { signature: good.subarray(0, 63) }),
    edge('65 bytes', { signature: longer }),
    edge('64 zero bytes', { signature: new Uint8Array(64) }),
    edge('64 bytes of 255', { signature: new Uint8Array(64).fill(255) }),
  ];
}

/** Other numbers S for the same equation: it holds for all that are equal modulo L. */
function numberCases(): EdgeCase[] {
  const [r, s] = [good.subarray(0, 32), fromLittleEndian(good.subarray(32))];
  const cases: EdgeCase[] = [];
  for (let times = 1n; s + times * order < 2n ** 256n; times++) {
    const signature = join(r, toLittleEndian(s + times * order));
    cases.push(edge(`S + ${times} L`, { signature }));
  }
  return [
    ...cases,
    edge('S = L', { signature: join(r, toLittleEndian(order)) }),
    edge('S = 0', { signature: join(r, new Uint8Array(32)) }),
    edge('S negated', { signature: join(r, toLittleEndian(order - s)) }),
  ];
}

function pointCases(): EdgeCase[] {
  const s = good.subarray(32);
  const onlyY = (y: bigint, sign: number): Uint8Array => {
    const bytes = toLittleEndian(y);
    return bytes.with(31, (bytes[31] ?? 0) | (sign << 7));
  };
  const cases: EdgeCase[] = [];
  for (const sign of [0, 1]) {
    for (let low = 0n; low < 19n; low++) {
      const point = onlyY(p + low, sign);
      const name = `y = p + ${low}, sign ${sign}`;
      cases.push(
        edge(`key with ${name}`, { publicKey: point, verdict: 'key refused' }),
        edge(`R with ${name}`, { signature: join(point, s) }),
      );
    }
    for (let times = 0n; times < 8n; times++) {
      const bytes = torsion(times).toBytes();
      const point = bytes.with(31, ((bytes[31] ?? 0) & 0x7f) | (sign << 7));
      const name = `of small order, ${times}, sign ${sign}`;
      cases.push(
        edge(`key ${name}`, { publicKey: point, verdict: 'key refused' }),
        edge(`R ${name}`, { signature: join(point, s) }),
      );
    }
    cases.push(
      edge(`key off the curve, sign ${sign}`, { publicKey: onlyY(2n, sign) }),
      edge(`R off the curve, sign ${sign}`, { signature: join(onlyY(2n, sign), s) }),
    );
  }
  const negated = key.negate().toBytes();
  return [...cases, edge('key negated', { publicKey: negated })];
}

/**
 * Key and R with a part of small order. The equation without the cofactor holds where these parts
 * cancel out, which the maker finds by trying messages; with the cofactor it always holds.
 */
function mixedOrderCases(): EdgeCase[] {
  const cases: EdgeCase[] = [];
  for (let ofKey = 0n; ofKey < 8n; ofKey++) {
    for (let ofR = 0n; ofR < 8n; ofR++) {
      if (ofKey === 0n && ofR === 0n) continue;
      const mixedKey = key.add(torsion(ofKey));
      for (let tries = 0; tries < 6; tries++) {
        const message = Uint8Array.of(Number(ofKey), Number(ofR), tries);
        const nonce = 1000n + BigInt(tries);
        const r = Point.BASE.multiply(nonce).add(torsion(ofR));
        const k = challenge(r, mixedKey, message);
        cases.push({
          name: `mixed order: key ${ofKey}, R ${ofR}, try ${tries}`,
          publicKey: mixedKey.toBytes(),
          message,
          signature: join(r.toBytes(), toLittleEndian((nonce + k * secret) % order)),
          verdict: (ofR + k * ofKey) % 8n === 0n ? 'accepted' : 'refused',
        });
      }
    }
  }
  return cases;
}

/** A multiple of a point of order 8. */
function torsion(times: bigint): Point {
  const encoded = '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05';
  return Point.fromBytes(hex(encoded)).multiplyUnsafe(times);
}

function edge(
  name: string,
  given: Partial<Pick<EdgeCase, 'publicKey' | 'message' | 'signature' | 'verdict'>>,
): EdgeCase {
  const whole = { publicKey: key.toBytes(), message: text, signature: good, ...given };
  return { name, verdict: 'refused', ...whole };
}

function signWith(given: {
  readonly secret: bigint;
  readonly key: Point;
  readonly nonce: bigint;
  readonly message: Uint8Array;
}): Uint8Array {
  const r = Point.BASE.multiply(given.nonce);
  const k = challenge(r, given.key, given.message);
  return join(r.toBytes(), toLittleEndian((given.nonce + k * given.secret) % order));
}

function challenge(r: Point, a: Point, message: Uint8Array): bigint {
  const hash = sha512.create().update(r.toBytes()).update(a.toBytes()).update(message).digest();
  return fromLittleEndian(hash) % order;
}

function join(r: Uint8Array, s: Uint8Array): Uint8Array {
  const signature = new Uint8Array(64);
  signature.set(r);
  signature.set(s, 32);
  return signature;
}

function hex(digits: string): Uint8Array {
  return Uint8Array.fromHex(digits);
}

function toLittleEndian(value: bigint): Uint8Array {
  return hex(value.toString(16).padStart(64, '0')).toReversed();
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toReversed().toHex()}`);
}
