import { equal, notEqual } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isName, nameSkeleton, normalName } from './name.ts';

test('isName takes short ASCII words with single dashes between', () => {
  for (const name of ['ada', 'a1b', 'the-cellar-2', 'a'.repeat(32)])
    equal(isName(name), true, name);
  const refused = ['', 'ab', 'a'.repeat(33), '-ada', 'ada-', 'a--b', 'Ada', 'a da', 'a.b', 'a_b'];
  // Cyrillic a, a dotless i, full-width letters, a soft hyphen, a combining mark, a line end.
  refused.push('\u0430da', 'ad\u0131', '\uff41\uff44\uff41', 'a\u00adda', 'ada\u0301', 'ada\n');
  for (const name of refused) equal(isName(name), false, JSON.stringify(name));
});

test('nameSkeleton is one for names that look alike', () => {
  equal(nameSkeleton('paypa1'), nameSkeleton('paypal'));
  equal(nameSkeleton('g00gle'), nameSkeleton('google'));
  notEqual(nameSkeleton('mail'), nameSkeleton('mall'));
});

test('nameSkeleton of a skeleton is itself', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      equal(nameSkeleton(nameSkeleton(name)), nameSkeleton(name));
    }),
  );
});

test('normalName makes ASCII capitals small and leaves other scripts as they are', () => {
  equal(normalName('  Ada-2 '), 'ada-2');
  equal(normalName('\u0130da'), '\u0130da');
});
