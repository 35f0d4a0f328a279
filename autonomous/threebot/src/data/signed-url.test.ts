import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signedUrl } from './signed-url.ts';

// The example of AWS: "Authenticating Requests: Using Query Parameters".
const example = {
  method: 'GET',
  url: new URL('https://examplebucket.s3.amazonaws.com/test.txt'),
  region: 'us-east-1',
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  lifeSeconds: 86_400,
  nowMs: Date.UTC(2013, 4, 24),
} as const;

test('a signed URL has the signature that AWS gives for its example', () => {
  const signature = new URL(signedUrl(example)).searchParams.get('X-Amz-Signature');
  assert.equal(signature, 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404');
});

test('parameters of the request are signed, whatever their order', () => {
  const of = (query: string) =>
    new URL(signedUrl({ ...example, url: new URL(`${example.url.href}?${query}`) })).searchParams;
  const [one, other] = [of('prefix=a%20b&list-type=2'), of('list-type=2&prefix=a+b')];
  assert.equal(one.get('X-Amz-Signature'), other.get('X-Amz-Signature'));
  assert.equal(one.get('prefix'), 'a b');
  assert.notEqual(one.get('X-Amz-Signature'), of('list-type=2').get('X-Amz-Signature'));
});
