import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { canonicalHash } from './canonical-hash.ts';
import { canonicalBytes, canonicalText, parseCanonical } from './canonical-json.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

// RFC 8785, appendix B: the bits of a number and its text.
const numbers: [string, string][] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
];

test('canonical text writes numbers as RFC 8785 appendix B', () => {
  for (const [bits, text] of numbers) {
    assert.equal(canonicalText(Buffer.from(bits, 'hex').readDoubleBE()), text);
  }
  for (const bits of ['7fffffffffffffff', '7ff0000000000000', 'fff0000000000000']) {
    const value = Buffer.from(bits, 'hex').readDoubleBE();
    assert.throws(() => canonicalText(value), { code: 'CRYPTO_JSON_UNSUPPORTED' });
  }
});

test('canonical bytes of the document of RFC 8785 section 3.2 are those of the RFC', () => {
  const document: unknown = JSON.parse(String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`);
  assert.equal(
    Buffer.from(canonicalBytes(document)).toString('hex'),
    '7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e' +
      '756d62657273223a5b3333333333333333332e333333333333332c31652b3330' +
      '2c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac24' +
      '5c75303030665c6e4127425c225c5c5c5c5c222f227d',
  );
});

test('canonical text sorts keys by UTF-16 code units as RFC 8785 section 3.2.3', () => {
  const value = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  };
  const order = [...canonicalText(value).matchAll(/:"(.*?)"[,}]/g)].map(([, name]) => name);
  assert.deepEqual(order, [
    'Carriage Return',
    'One',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ]);
});

test('canonical text escapes control characters and nothing else', () => {
  const all = String.fromCharCode(...Array.from({ length: 0x30 }, (_, code) => code));
  assert.equal(
    canonicalText(`${all}\\/\u007f\u2028é`),
    String.raw`"\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f` +
      String.raw`\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c` +
      `\\u001d\\u001e\\u001f !\\"#$%&'()*+,-./\\\\/\u007f\u2028é"`,
  );
});

test('canonical text of a parsed text gives an equal value and is its own canonical text', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = canonicalText(value);
      const parsed = parseCanonical(bytesOf(text));
      assert.deepEqual(parsed, JSON.parse(JSON.stringify(value)));
      assert.equal(canonicalText(parsed), text);
    }),
  );
});

test('canonical text does not depend on the order in which members were added', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.integer()), (members) => {
      const reversed = Object.fromEntries(Object.entries(members).toReversed());
      assert.equal(canonicalText(reversed), canonicalText({ ...members }));
      assert.deepEqual(canonicalHash(reversed), canonicalHash({ ...members }));
    }),
  );
});

test('canonical hash is SHA-256 of the canonical bytes', () => {
  // The digest of the two bytes "{}".
  assert.equal(
    Buffer.from(canonicalHash({})).toString('hex'),
    '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
  );
});

test('canonical text refuses what has no JSON form and says where it is', () => {
  class Point {
    readonly x = 1;
  }
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const wrong: unknown[] = [
    undefined,
    NaN,
    -Infinity,
    12n,
    Symbol('s'),
    () => 1,
    new Date(0),
    new Map(),
    new Point(),
    Uint8Array.of(1),
    Object(1),
    '\ud800',
    'a\udc00b',
    { '\ud800': 1 },
    { [Symbol('s')]: 1 },
    // oxlint-disable-next-line no-sparse-arrays
    [1, , 2],
    cyclic,
  ];
  for (const value of wrong) {
    assert.throws(() => canonicalText(value), { code: 'CRYPTO_JSON_UNSUPPORTED' });
  }
  assert.throws(() => canonicalText({ a: [0, { b: undefined }] }), {
    details: { path: ['a', 1, 'b'] },
    message: /^cannot write a\.1\.b: /,
  });
});

test('canonical text takes objects without prototype and a member named __proto__', () => {
  const bare: Record<string, unknown> = Object.create(null);
  bare['b'] = 1;
  assert.equal(canonicalText(bare), '{"b":1}');
  const text = '{"__proto__":{"x":1}}';
  assert.equal(canonicalText(parseCanonical(bytesOf(text))), text);
});

test('canonical text stops at its depth limit', () => {
  assert.equal(canonicalText(JSON.parse(nested(64))), nested(64));
  assert.throws(() => canonicalText(JSON.parse(nested(65))), { code: 'CRYPTO_JSON_UNSUPPORTED' });
  assert.throws(() => parseCanonical(bytesOf(nested(100_000))), {
    code: 'CRYPTO_JSON_NOT_CANONICAL',
  });
});

test('parseCanonical refuses every other spelling of a value', () => {
  const wrong = [
    '',
    ' {}',
    '{}\n',
    '\ufeff{}',
    '{"a": 1}',
    '{"b":1,"a":2}',
    '{"a":1,"a":1}',
    '{"a":1,"a":2}',
    '1.0',
    '1E2',
    '-0',
    '1e400',
    '9007199254740993',
    '"\\u0041"',
    '"\\/"',
    '"\\u000F"',
    '"\\ud800"',
    'undefined',
    "{'a':1}",
    '[1,]',
    '{} {}',
  ];
  for (const text of wrong) {
    assert.throws(() => parseCanonical(bytesOf(text)), { code: 'CRYPTO_JSON_NOT_CANONICAL' }, text);
  }
  for (const bytes of [
    [0x22, 0xff, 0x22],
    [0x22, 0xc0, 0x80, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
  ]) {
    assert.throws(() => parseCanonical(Uint8Array.from(bytes)), {
      code: 'CRYPTO_JSON_NOT_CANONICAL',
    });
  }
});

test('parseCanonical accepts no text that is not the canonical one', () => {
  const alphabet = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '1',
    '0',
    '-',
    '.',
    'e',
    'a',
    ' ',
  );
  fc.assert(
    fc.property(fc.string({ unit: alphabet, maxLength: 12 }), (text) => {
      let parsed: unknown;
      try {
        parsed = parseCanonical(bytesOf(text));
      } catch {
        return;
      }
      assert.equal(canonicalText(parsed), text);
    }),
    { numRuns: 2000 },
  );
});

test('parseCanonical refuses more bytes than its limit before it reads them', () => {
  assert.throws(() => parseCanonical(bytesOf('[1,2]'), { maxBytes: 4 }), {
    code: 'CRYPTO_TOO_LARGE',
  });
  assert.deepEqual(parseCanonical(bytesOf('[1,2]'), { maxBytes: 5 }), [1, 2]);
});

function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}
