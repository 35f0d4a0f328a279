import type { S3Request, S3Response } from '../src/index.ts';
import { S3Error } from '../src/index.ts';
import { checksumHeader, multipartEtag } from '../src/protocol/checksum.ts';
import { judgeRead, judgeWrite } from '../src/protocol/conditions.ts';
import { httpDate } from '../src/protocol/dates.ts';
import {
  listBucketsDocument,
  listObjectsDocument,
  listObjectsV2Document,
} from '../src/protocol/list-documents.ts';
import {
  completedDocument,
  deletedDocument,
  locationDocument,
  uploadDocument,
} from '../src/protocol/object-documents.ts';
import { headerValue, readObjectHeaders } from '../src/protocol/object-headers.ts';
import type { ObjectHeaders } from '../src/protocol/object-headers.ts';
import { contentRange, parseRange } from '../src/protocol/range.ts';
import { parseComplete, parseDelete } from '../src/protocol/xml-requests.ts';

const owner = { id: 'f'.repeat(64), name: 'owner' };
const sizeMax = 64 << 20;

interface Stored {
  readonly data: Buffer;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly headers: ObjectHeaders;
  readonly extra: Readonly<Record<string, string>>;
}

/** As much of a storage, in memory, as real clients need to show that they and we agree. */
export class MemoryStorage {
  readonly #buckets = new Map<string, Map<string, Stored>>();
  readonly #uploads = new Map<string, { headers: ObjectHeaders; parts: Map<number, Stored> }>();

  addBucket(name: string): void {
    this.#buckets.set(name, new Map());
  }

  readonly handle = async (request: S3Request): Promise<S3Response> => {
    const { operation, bucket = '' } = request;
    if (operation === 'ListBuckets') {
      const names = [...this.#buckets.keys()].map((name) => ({ name, createdMs: 0 }));
      return { body: listBucketsDocument(owner, names) };
    }
    if (operation === 'CreateBucket') {
      await request.payload.bytes(1 << 16);
      this.#buckets.set(bucket, this.#buckets.get(bucket) ?? new Map());
      return { headers: { location: `/${bucket}` } };
    }
    const objects = this.#buckets.get(bucket);
    if (objects === undefined) throw new S3Error('NoSuchBucket');
    switch (operation) {
      case 'HeadBucket':
        return {};
      case 'GetBucketLocation':
        return { body: locationDocument('us-east-1') };
      case 'ListObjects':
      case 'ListObjectsV2':
        return list(request, objects);
      case 'DeleteObjects':
        return this.#deleteAll(request, objects);
      default:
        return this.#onObject(request, objects, request.key ?? '');
    }
  };

  async #onObject(
    request: S3Request,
    objects: Map<string, Stored>,
    key: string,
  ): Promise<S3Response> {
    const uploadId = request.query.get('uploadId') ?? '';
    switch (request.operation) {
      case 'PutObject': {
        const stored = await store(request);
        judgeWrite(request.headers, objects.get(key));
        objects.set(key, stored);
        return { headers: { etag: `"${stored.etag}"`, ...stored.extra } };
      }
      case 'GetObject':
      case 'HeadObject':
        return answerWith(request, objects.get(key));
      case 'DeleteObject':
        objects.delete(key);
        return { status: 204 };
      case 'CreateMultipartUpload': {
        const id = `upload-${this.#uploads.size}`;
        this.#uploads.set(id, { headers: readObjectHeaders(request.headers), parts: new Map() });
        return { body: uploadDocument(request.bucket ?? '', key, id) };
      }
      case 'UploadPart': {
        const part = await store(request);
        const number = Number(request.query.get('partNumber'));
        this.#uploads.get(uploadId)?.parts.set(number, part);
        return { headers: { etag: `"${part.etag}"`, ...part.extra } };
      }
      case 'CompleteMultipartUpload':
        return this.#complete(request, objects, key, uploadId);
      default:
        throw new S3Error('NotImplemented', `${request.operation} is not in this storage.`);
    }
  }

  async #complete(
    request: S3Request,
    objects: Map<string, Stored>,
    key: string,
    uploadId: string,
  ): Promise<S3Response> {
    const upload = this.#uploads.get(uploadId);
    if (upload === undefined) throw new S3Error('NoSuchUpload');
    const parts = parseComplete(await request.payload.bytes(4 << 20)).map(({ number, etag }) => {
      const part = upload.parts.get(number);
      if (part?.etag !== etag) throw new S3Error('InvalidPart');
      return part;
    });
    const etag = multipartEtag(parts.map((part) => part.etag));
    const data = Buffer.concat(parts.map((part) => part.data));
    objects.set(key, { data, etag, modifiedMs: Date.now(), headers: upload.headers, extra: {} });
    const bucket = request.bucket ?? '';
    const none = { checksum: undefined, checksumType: undefined };
    return { body: completedDocument({ location: `/${bucket}`, bucket, key, etag, ...none }) };
  }

  async #deleteAll(request: S3Request, objects: Map<string, Stored>): Promise<S3Response> {
    const { isQuiet, objects: keys } = parseDelete(await request.payload.bytes(4 << 20));
    const none = { versionId: undefined, markerVersionId: undefined, error: undefined };
    const results = keys.map(({ key }) => {
      objects.delete(key);
      return { key, ...none };
    });
    return { body: deletedDocument(results, isQuiet) };
  }
}

async function store(request: S3Request): Promise<Stored> {
  request.payload.compute({ md5: true });
  const data = await request.payload.bytes(sizeMax, 'EntityTooLarge');
  const { md5 = '', checksum } = request.payload.digests;
  return {
    data,
    etag: md5,
    modifiedMs: Date.now(),
    headers: readObjectHeaders(request.headers),
    extra: checksum === undefined ? {} : { [checksumHeader(checksum.algorithm)]: checksum.value },
  };
}

function answerWith(request: S3Request, stored: Stored | undefined): S3Response {
  if (stored === undefined) throw new S3Error('NoSuchKey');
  const { data, etag, modifiedMs, headers } = stored;
  const common: Record<string, string> = {
    etag: `"${etag}"`,
    'last-modified': httpDate(modifiedMs),
    'accept-ranges': 'bytes',
    ...headers.system,
  };
  for (const [name, value] of Object.entries(headers.user)) {
    common[`x-amz-meta-${name}`] = headerValue(value);
  }
  if (request.headers['x-amz-checksum-mode'] === 'ENABLED') Object.assign(common, stored.extra);
  if (judgeRead(request.headers, stored) === 'not-modified') {
    return { status: 304, headers: common };
  }
  const { range } = request.headers;
  const part = parseRange(typeof range === 'string' ? range : undefined, data.length);
  const body = part === undefined ? data : data.subarray(part.first, part.last + 1);
  common['content-length'] = String(body.length);
  if (part !== undefined) common['content-range'] = contentRange(part, data.length);
  return { status: part === undefined ? 200 : 206, headers: common, body };
}

function list(request: S3Request, objects: ReadonlyMap<string, Stored>): S3Response {
  const { query, bucket = '' } = request;
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const prefixes = new Set<string>();
  const found: { key: string; modifiedMs: number; etag: string; sizeBytes: number }[] = [];
  for (const key of [...objects.keys()].toSorted()) {
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const stored = objects.get(key);
    if (cut >= 0) prefixes.add(key.slice(0, cut + delimiter.length));
    else if (stored !== undefined) found.push({ ...stored, key, sizeBytes: stored.data.length });
  }
  const page = {
    bucket,
    prefix,
    delimiter: delimiter === '' ? undefined : delimiter,
    max: 1000,
    isTruncated: false,
    commonPrefixes: [...prefixes],
    encoding: query.get('encoding-type') === 'url' ? ('url' as const) : undefined,
    objects: found,
    owner,
  };
  if (request.operation === 'ListObjects') {
    return { body: listObjectsDocument({ ...page, marker: '', nextMarker: undefined }) };
  }
  const tokens = { startAfter: undefined, token: undefined, nextToken: undefined };
  return { body: listObjectsV2Document({ ...page, ...tokens }) };
}
