import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InvalidArgumentError } from 'commander';

import {
  addAddress,
  addOrigin,
  parseCountry,
  parseGridName,
  parseLines,
  parsePrefix,
} from './node-arguments.ts';

test('arguments of node commands are read', () => {
  assert.equal(parseLines('0'), 0);
  assert.equal(parseGridName('shelf-3'), 'shelf-3');
  assert.equal(parsePrefix('c2g'), 'c2g');
  assert.equal(parseCountry('be'), 'BE');
  const one = addOrigin('http://10.0.0.1:6381/');
  assert.deepEqual(addOrigin('https://hub.example', one), [
    'http://10.0.0.1:6381',
    'https://hub.example',
  ]);
});

test('addresses of a node are those of a machine, and not too many', () => {
  const both = addAddress('fd00::7', addAddress('127.0.0.1'));
  assert.deepEqual(both, ['127.0.0.1', 'fd00::7']);
  for (const wrong of ['', 'node.example', '192.0.2.300', 'fe80::1%eth0', '10.0.0.0/8']) {
    assert.throws(() => addAddress(wrong), InvalidArgumentError, wrong);
  }
  const full = Array.from({ length: 16 }, (_one, n) => `192.0.2.${n}`);
  assert.throws(() => addAddress('192.0.2.99', full), InvalidArgumentError);
});

test('arguments of node commands that cannot be are refused', () => {
  const refused: [(text: string) => unknown, string][] = [
    [parseLines, '-1'],
    [parseGridName, 'Shelf 3'],
    [parsePrefix, '2cg'],
    [parsePrefix, 'long'],
    [parseCountry, 'BEL'],
    [addOrigin, '10.0.0.1:6381'],
    [addOrigin, 'http://10.0.0.1/path'],
    [addOrigin, 'file:///etc'],
    [addOrigin, `http://${'a'.repeat(401)}`],
    [(text) => addOrigin(text, Array<string>(8).fill(text)), 'http://10.0.0.1:6381'],
  ];
  for (const [parse, text] of refused) {
    assert.throws(() => parse(text), InvalidArgumentError, text);
  }
});
