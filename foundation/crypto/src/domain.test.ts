import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertDomain } from './domain.ts';

test('assertDomain takes names and a version and nothing else', () => {
  for (const domain of ['commongrid/rec/1', 'commongrid/node/heartbeat-2/10']) assertDomain(domain);
  const wrong = [
    '',
    'commongrid',
    'commongrid/rec',
    'commongrid/1',
    'commongrid/rec/0',
    'commongrid/rec/01',
    'commongrid/Rec/1',
    'commongrid//1',
    'commongrid/rec/1\n',
    'commongrid/rec\0/1',
    'other/rec/1',
    `commongrid/${'x'.repeat(60)}/1`,
  ];
  for (const domain of wrong) {
    assert.throws(() => assertDomain(domain), { code: 'CRYPTO_DOMAIN_INVALID' }, domain);
  }
});
