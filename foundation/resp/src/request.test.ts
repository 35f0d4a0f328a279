import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedMemory } from '@commongrid/base';
import { requestOf } from './testing/request-of.ts';

test('request reads integers strictly', () => {
  const valid = new Map([
    ['0', 0],
    ['7', 7],
    ['-1', -1],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['-9007199254740991', Number.MIN_SAFE_INTEGER],
  ]);
  for (const [text, value] of valid) assert.equal(requestOf(text).integer(0), value, text);
  const invalid = ['', '-', '+1', '01', '-0', '-01', '1 ', ' 1', '1.0', '1e3', '0x1', '1\0'];
  for (const text of [...invalid, '9007199254740992', '99999999999999999999']) {
    assert.equal(requestOf(text).integer(0), undefined, text);
  }
});

test('request compares a word without regard to case', () => {
  assert.ok(requestOf('gEt').is(0, 'GET'));
  assert.ok(!requestOf('GETX').is(0, 'GET'));
  assert.ok(!requestOf('GE').is(0, 'GET'));
  assert.ok(!requestOf('G%T').is(0, 'GET'));
});

test('request gives text, bytes and copies of an argument', () => {
  const request = requestOf('SET', 'schlüssel', '\0\r\n');
  assert.equal(request.text(1), 'schlüssel');
  assert.equal(request.latin1(2), '\0\r\n');
  const copy = request.copy(1);
  const view = request.view(1);
  request.bytes.fill(0);
  assert.equal(copy.toString(), 'schlüssel');
  assert.equal(view[0], 0);
});

test('request has empty arguments beyond its last', () => {
  const request = requestOf('GET');
  assert.equal(request.view(1).length, 0);
  assert.equal(request.text(5), '');
  assert.equal(request.integer(1), undefined);
});

test('request owns an argument by copy unless it has memory for itself', () => {
  const request = requestOf('GET', 'key');
  const copy = request.own(1);
  request.bytes.fill(0x78);
  assert.equal(copy.toString(), 'key');
  request.memory = new SharedMemory(1);
  assert.equal(request.own(1).toString(), 'xxx');
});
