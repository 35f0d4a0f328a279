import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { bestKernelModule, kernelModule } from './kernel.ts';
import { webAssembly } from './web-assembly.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('kernelModule makes the modules that were measured and reviewed', () => {
  assert.deepEqual([kernelModule('relaxed'), kernelModule('plain')].map(sha256), [
    '1980f2fa2d4f41e8b33b0093eb4c048b06ca7c6cab88dd32634e5665178b93b8',
    '5b61252b1b750c134216b348df793147fb5253a6c8107a8103229d973e9f4597',
  ]);
});

test('kernelModule makes modules that this engine takes', () => {
  assert.equal(webAssembly.validate(kernelModule('plain')), true);
  assert.deepEqual(bestKernelModule(), kernelModule('relaxed'));
});
