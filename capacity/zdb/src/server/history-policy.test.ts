import assert from 'node:assert/strict';
import { test } from 'node:test';
import { historyText, parseHistory } from './history-policy.ts';

test('history policy is read as it is written', () => {
  for (const text of ['latest', 'all', 'versions:1', 'versions:20', 'age:86400']) {
    const policy = parseHistory(text);
    assert.ok(policy !== undefined);
    assert.equal(historyText(policy), text);
  }
});

test('history policy refuses what is none', () => {
  const none = ['', 'some', 'latest:1', 'all:2', 'versions', 'versions:0', 'versions:-1', 'age:1h'];
  for (const text of [...none, 'versions:12345678901', ' all', 'ALL']) {
    assert.equal(parseHistory(text), undefined, text);
  }
});
