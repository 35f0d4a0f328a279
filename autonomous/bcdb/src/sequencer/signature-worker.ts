import { parentPort } from 'node:worker_threads';
import { openSignatureCheck } from './signature-check.ts';
import type { SignatureJob, SignatureResult } from './signature-pool.ts';

const check = openSignatureCheck();

parentPort?.on('message', ({ id, domain, keys, ends, bytes }: SignatureJob) => {
  let from = 0;
  const isValid = keys.map((key, index) => {
    const end = ends[index] ?? from;
    const signed = bytes.subarray(from, end);
    from = end;
    return check(key, signed.subarray(0, -64), signed.subarray(-64), domain);
  });
  const result: SignatureResult = { id, isValid };
  parentPort?.postMessage(result);
});
