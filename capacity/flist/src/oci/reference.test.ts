import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isGridError } from '@commongrid/base';
import fc from 'fast-check';

import {
  isLoopback,
  parseReference,
  referenceKey,
  registryHost,
  shownReference,
} from './reference.ts';

const hex = 'a'.repeat(64);

test('a reference has a registry, a repository and a tag or a digest', () => {
  const parsed = parseReference('registry.example:5000/team/my_app.x/a--b:1.2-rc_3');
  assert.deepEqual(parsed, {
    host: 'registry.example:5000',
    repository: 'team/my_app.x/a--b',
    tag: '1.2-rc_3',
    digest: undefined,
  });
  assert.equal(parseReference('localhost/app').tag, 'latest');
  assert.equal(parseReference('[::1]:5000/app').host, '[::1]:5000');
  const pinned = parseReference(`a.b/app:1@sha256:${hex}`);
  assert.equal(referenceKey(pinned), `sha256:${hex}`);
  assert.equal(referenceKey(parseReference('a.b/app')), 'latest');
  assert.equal(parseReference(`a.b/app@sha256:${hex}`).tag, undefined);
});

test('the hub of docker is asked where it is, under the names that it has', () => {
  const parsed = parseReference('docker.io/nginx');
  assert.equal(parsed.repository, 'library/nginx');
  assert.equal(registryHost(parsed), 'registry-1.docker.io');
  assert.equal(parseReference('docker.io/team/app').repository, 'team/app');
});

test('texts that name no image are refused', () => {
  const texts = [
    '',
    'nginx',
    'library/nginx',
    'a.b/',
    'a.b/App',
    'a.b/app:',
    'a.b/app:-x',
    'a.b/../app',
    'a.b//app',
    'a.b/app@sha256:12',
    `a.b/app@md5:${hex}`,
    `a.b/app@sha256:${hex}@sha256:${hex}`,
    'user@a.b/app',
    'a.b:port/app',
    'a.b/app?x=1',
    'a.b/app#x',
    `a.b/${'x'.repeat(256)}`,
    `a.b/${'x'.repeat(600)}`,
  ];
  for (const text of texts) {
    assert.throws(() => parseReference(text), { code: 'FLIST_REFERENCE_INVALID' }, text);
  }
});

test('a reference that is read is shown as what is read again', () => {
  const part = fc.constantFrom('a.b', 'a', '/', ':', '@', '1', `sha256:${hex}`, '..', '_', ':80');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      try {
        const parsed = parseReference(parts.join(''));
        assert.deepEqual(parseReference(shownReference(parsed)), parsed);
      } catch (error) {
        assert.ok(isGridError(error, 'FLIST_REFERENCE_INVALID'), String(error));
      }
    }),
  );
});

test('only this machine is loopback', () => {
  for (const host of ['localhost', 'localhost:1', '127.0.0.1:5000', '127.9.9.9', '[::1]:80']) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of ['localhost.example', '127.0.0.1.example', '1.2.3.4', 'a127.0.0.1', '[::2]']) {
    assert.ok(!isLoopback(host), host);
  }
});
