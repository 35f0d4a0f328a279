/** A head in a process of its own. Argument: the options of the head, as JSON. Prints its port. */
import { S3Head } from '../../src/s3-head.ts';
import type { S3HeadOptions } from '../../src/s3-head.ts';
import { accessKey, secretKey } from '../signed-request.ts';

const options = JSON.parse(process.argv[2] ?? '') as S3HeadOptions;
await using head = await S3Head.open({
  ...options,
  firstKey: { accessKey, secretKey },
});
process.stdout.write(`${head.port}\n`);
await new Promise((resolve) => process.once('SIGTERM', resolve));
