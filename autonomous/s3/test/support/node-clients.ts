import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';

import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { Client as MinioClient } from 'minio';

import { accessKey, secretKey } from '../signed-request.ts';
import type { ClientProgram } from './client-programs.ts';

const partBytes = 8 * 2 ** 20;
/** Files that are sent or fetched at once. */
const atOnce = 8;
/** Most of one DeleteObjects. */
const removalsMax = 1000;

/** The client of AWS as a program for files. */
export function sdkProgram(client: S3Client): ClientProgram {
  const upload = async (file: string, Bucket: string, Key: string): Promise<void> => {
    const { size } = await stat(file);
    if (size > partBytes) await uploadParts(client, file, { Bucket, Key });
    else await client.send(new PutObjectCommand({ Bucket, Key, Body: await readFile(file) }));
  };
  const download = async (Bucket: string, Key: string, file: string): Promise<void> => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    if (!(Body instanceof Readable)) throw new Error('no body came');
    await pipeline(Body, createWriteStream(file));
  };
  const list = async (Bucket: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const page of paginateListObjectsV2({ client, pageSize: 70 }, { Bucket })) {
      keys.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
    }
    return keys;
  };
  return {
    makeBucket: (Bucket) => client.send(new CreateBucketCommand({ Bucket })),
    upload,
    download,
    list,
    ...treesBy({ upload, download, list }),
    removeBucket: async (Bucket) => {
      const keys = await list(Bucket);
      for (let at = 0; at < keys.length; at += removalsMax) {
        const Objects = keys.slice(at, at + removalsMax).map((Key) => ({ Key }));
        const { Errors } = await client.send(
          new DeleteObjectsCommand({ Bucket, Delete: { Objects } }),
        );
        if (Errors !== undefined) throw new Error(JSON.stringify(Errors));
      }
      await client.send(new DeleteBucketCommand({ Bucket }));
    },
  };
}

/** The client of MinIO as a program for files. */
export function minioProgram(port: number): ClientProgram {
  const client = new MinioClient({
    ...{ endPoint: '127.0.0.1', port, useSSL: false, accessKey, secretKey },
    ...{ region: 'us-east-1', partSize: partBytes },
  });
  const upload = (file: string, bucket: string, key: string): Promise<unknown> =>
    client.fPutObject(bucket, key, file);
  const download = (bucket: string, key: string, file: string): Promise<unknown> =>
    client.fGetObject(bucket, key, file);
  const list = async (bucket: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const item of client.listObjectsV2(bucket, '', true)) keys.push(item.name ?? '');
    return keys;
  };
  return {
    makeBucket: (bucket) => client.makeBucket(bucket, 'us-east-1'),
    upload,
    download,
    list,
    ...treesBy({ upload, download, list }),
    removeBucket: async (bucket) => {
      await client.removeObjects(bucket, await list(bucket));
      await client.removeBucket(bucket);
    },
  };
}

async function uploadParts(
  client: S3Client,
  file: string,
  at: { readonly Bucket: string; readonly Key: string },
): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
  await using handle = await open(file);
  const { size } = await handle.stat();
  const Parts = [];
  for (let from = 0, PartNumber = 1; from < size; from += partBytes, PartNumber++) {
    const Body = Buffer.alloc(Math.min(partBytes, size - from));
    await handle.read(Body, 0, Body.length, from);
    const part = { ...at, UploadId, PartNumber, Body };
    const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand(part));
    Parts.push({ PartNumber, ETag, ChecksumCRC32 });
  }
  const MultipartUpload = { Parts };
  await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }));
}

/** Folders, file by file. */
function treesBy({
  upload,
  download,
  list,
}: Pick<ClientProgram, 'upload' | 'download' | 'list'>): Pick<
  ClientProgram,
  'uploadTree' | 'downloadTree'
> {
  return {
    uploadTree: async (folder, bucket, prefix) => {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      await someAtOnce(files, async ({ parentPath, name }) => {
        const path = join(parentPath, name);
        await upload(path, bucket, `${prefix}/${relative(folder, path)}`);
      });
    },
    downloadTree: async (bucket, prefix, folder) => {
      const keys = (await list(bucket)).filter((key) => key.startsWith(`${prefix}/`));
      await someAtOnce(keys, async (key) => {
        const path = join(folder, key.slice(prefix.length + 1));
        await mkdir(dirname(path), { recursive: true });
        await download(bucket, key, path);
      });
    },
  };
}

async function someAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const lanes = Array.from({ length: atOnce }, async () => {
    for (const item of left) await work(item);
  });
  await Promise.all(lanes);
}
