import { parentPort } from 'node:worker_threads';
import { openSignatureCheck } from './signature-check.ts';
import type { SignatureJob, SignatureResult } from './signature-pool.ts';

const check = openSignatureCheck();

parentPort?.on('message', ({ id, domain, keys, keyOf, ends, bytes }: SignatureJob) => {
  let from = 0;
  const isValid = new Uint8Array(ends.length);
  for (const [index, end] of ends.entries()) {
    const signed = bytes.subarray(from, end);
    from = end;
    const key = keys[keyOf[index] ?? 0] ?? '';
    isValid[index] = check(key, signed.subarray(0, -64), signed.subarray(-64), domain) ? 1 : 0;
  }
  const result: SignatureResult = { id, isValid };
  parentPort?.postMessage(result, [isValid.buffer]);
});
