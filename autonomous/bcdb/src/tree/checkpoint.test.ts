import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { checkpointText, parseCheckpoint } from './checkpoint.ts';
import { cosignatureMessage, decodeCosignature, encodeCosignature } from './cosignature.ts';
import { nodePrimitives } from './node-primitives.ts';
import { noteKey, parseNote } from './signed-note.ts';

// The example of C2SP tlog-checkpoint and tlog-cosignature.
const published = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`;

test('checkpoint and cosignature of the specification read as it says', () => {
  const { text, signatures } = parseNote(published);
  const checkpoint = parseCheckpoint(text);
  assert.deepEqual(checkpoint, {
    origin: 'example.com/behind-the-sofa',
    size: 20_852_163,
    root: Uint8Array.fromBase64('CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I='),
    extensions: [],
  });
  assert.equal(checkpointText(checkpoint), text);
  const cosignature = decodeCosignature(signatures[1]?.signature ?? new Uint8Array());
  assert.equal(cosignature?.timestamp, 1_679_315_147);
  const message = new TextDecoder().decode(cosignatureMessage(cosignature.timestamp, text));
  assert.equal(message, `cosignature/v1\ntime 1679315147\n${text}`);
});

test('checkpoint of any head reads back', () => {
  const roots = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const lines = fc.array(fc.stringMatching(/^[ -~]{1,20}$/), { maxLength: 3 });
  fc.assert(
    fc.property(fc.maxSafeNat(), roots, lines, (size, root, extensions) => {
      const checkpoint = { origin: 'a/log', size, root, extensions };
      assert.deepEqual(parseCheckpoint(checkpointText(checkpoint)), checkpoint);
    }),
  );
});

test('checkpoint in any other form is refused', () => {
  const root = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=';
  assert.equal(parseCheckpoint(`o\n0\n${root}\n`).size, 0);
  const wrong = [
    '',
    'o\n0\n',
    `o\n0\n${root}`,
    `\n0\n${root}\n`,
    `o\n00\n${root}\n`,
    `o\n-1\n${root}\n`,
    `o\n1e3\n${root}\n`,
    `o\n9007199254740992\n${root}\n`,
    `o\n0\n${root.slice(0, -1)}\n`,
    `o\n0\n${root.replaceAll('/', '_')}\n`,
    `o\n0\nAAAA\n`,
    `o\n0\n${root}\n\nx\n`,
  ];
  for (const text of wrong) {
    assert.throws(() => parseCheckpoint(text), { code: 'BCDB_NOTE_INVALID' }, text);
  }
});

test('cosignature of any time reads back, and of no other length', () => {
  const signatures = fc.uint8Array({ minLength: 64, maxLength: 64 });
  fc.assert(
    fc.property(fc.maxSafeNat(), signatures, (timestamp, signature) => {
      const bytes = encodeCosignature(timestamp, signature);
      assert.deepEqual(decodeCosignature(bytes), { timestamp, signature });
      assert.equal(decodeCosignature(bytes.subarray(1)), undefined);
      assert.equal(decodeCosignature(bytes.with(0, 0xff)), undefined);
    }),
  );
});

test('key id is the start of a hash over name, type and key', () => {
  const publicKey = new Uint8Array(32).fill(9);
  const name = 'commongrid/bcdb/x';
  const preimage = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(4), publicKey]);
  const { keyId } = noteKey(nodePrimitives.sha256, { name, type: 4, publicKey });
  assert.equal(keyId, Buffer.from(nodePrimitives.sha256(preimage)).readUInt32BE(0));
});
