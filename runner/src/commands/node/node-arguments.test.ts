import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InvalidArgumentError } from 'commander';

import {
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
  ];
  for (const [parse, text] of refused) {
    assert.throws(() => parse(text), InvalidArgumentError, text);
  }
});
