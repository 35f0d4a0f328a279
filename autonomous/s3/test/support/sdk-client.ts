import { Agent } from 'node:http';
import type { LookupFunction } from 'node:net';

import { S3Client } from '@aws-sdk/client-s3';

import { accessKey, secretKey } from '../signed-request.ts';

export interface SdkOptions {
  readonly port: number;
  /** Default true. */
  readonly forcePathStyle?: boolean;
  /** Default 1: what fails is seen. */
  readonly maxAttempts?: number;
  /** Default: that of tests. */
  readonly key?: { readonly accessKey: string; readonly secretKey: string };
}

/** The client of AWS, with its usual checksums. */
export function sdkClient(options: SdkOptions): S3Client {
  const { port, forcePathStyle = true, maxAttempts = 1, key = { accessKey, secretKey } } = options;
  return new S3Client({
    endpoint: `http://localhost:${port}`,
    region: 'us-east-1',
    forcePathStyle,
    maxAttempts,
    requestHandler: { httpAgent: new Agent({ lookup: lookupHere, keepAlive: true }) },
    credentials: { accessKeyId: key.accessKey, secretAccessKey: key.secretKey },
  });
}

/** Not every resolver knows names below localhost. */
const lookupHere: LookupFunction = (_name, options, done) => {
  const here = { address: '127.0.0.1', family: 4 };
  if (options.all === true) done(null, [here]);
  else done(null, here.address, here.family);
};
