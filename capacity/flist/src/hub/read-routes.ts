import { open, stat } from 'node:fs/promises';

import { errorCode } from '@commongrid/base';

import type { FlistDigest } from '../format/flist.ts';
import { parseFlistDigest } from '../format/flist.ts';
import type { ChunkHash } from '../ports.ts';
import { batchHashesMax, formsHeader, frameHeader, takesSplit } from '../sources/chunk-frames.ts';
import { parseChunkHash } from '../sources/hash-text.ts';
import { frameOfChunk } from '../store/chunk-codec.ts';
import { hashBytes } from '../tree/inode.ts';
import type { PageOptions } from './hub-names.ts';
import { hubReferenceOf, parseUserName } from './hub-reference.ts';
import type { HubReference } from './hub-reference.ts';
import type { HubAnswer, HubRequest, HubRoute } from './hub-route.ts';
import { notFound, requestInvalid } from './hub-status.ts';

/** Items of one part of a list. */
const pageItemsMax = 1_000;
const pageItems = 100;
/** Characters of a search. */
const searchLengthMax = 256;
/** Bytes of a file that are read at a time. */
const pieceBytes = 256 * 1024;

const immutable = 'public, max-age=31536000, immutable';

type Reading = (request: HubRequest) => Promise<HubAnswer>;

/** What everybody may ask. Nothing changes by it. */
export const readRoutes: readonly HubRoute[] = [
  get('/v1/users', async ({ hub, query }) => ok(hub.names.listUsers(pageOf(query)))),
  get('/v1/users/:user', async ({ hub, params }) => {
    const user = parseUserName(params['user'] ?? '');
    const { quota } = hub;
    const [usedBytes, quotaBytes] = [quota.usedBytes(user), quota.quotaBytes(user)];
    return ok({ user, usedBytes, quotaBytes });
  }),
  get('/v1/owner', async ({ hub, signal }) => {
    const user = await hub.owner(signal);
    if (user === undefined) throw notFound('owner of this hub');
    return ok({ user });
  }),
  get('/v1/repositories/:user', async ({ hub, params, query }) =>
    ok(hub.names.listRepositories(parseUserName(params['user'] ?? ''), pageOf(query))),
  ),
  get('/v1/repositories/:user/:name', async (request) => {
    const { user, name } = referenceOf(request);
    const repository = request.hub.names.repository(user, name);
    if (repository === undefined) throw notFound(`repository ${user}/${name}`);
    return ok(repository);
  }),
  get('/v1/search', async ({ hub, query }) => {
    const text = query.get('q') ?? '';
    if (text.length > searchLengthMax) throw requestInvalid('the search is too long');
    return ok(hub.names.search(text, pageOf(query)));
  }),
  get('/v1/names/:user/:name', async (request) =>
    ok(request.hub.names.resolve(referenceOf(request))),
  ),
  get('/v1/history/:user/:name', async (request) =>
    ok({ items: request.hub.names.versions(referenceOf(request)) }),
  ),
  get('/v1/flists/:digest', (request) => sendFlist(request, digestOf(request), immutable)),
  get('/v1/flists/:user/:name', (request) => {
    const { digest } = request.hub.names.resolve(referenceOf(request));
    return sendFlist(request, digest, 'no-cache');
  }),
  get('/v1/signatures/:digest', async (request) => {
    const digest = digestOf(request);
    if (!(await request.hub.hasFlist(digest))) throw notFound(`flist ${digest}`);
    const texts = await request.hub.repository.listSignatures(digest);
    return ok({ items: texts.map((text): unknown => JSON.parse(text)) });
  }),
  get('/v1/chunks/:hash', sendChunk),
  {
    method: 'POST',
    path: '/v1/chunks',
    isSigned: false,
    bodyBytesMax: batchHashesMax * hashBytes,
    handle: sendChunks,
  },
];

export function ok(json: unknown): HubAnswer {
  return { status: 200, json };
}

/** @throws HUB_NAME_INVALID */
export function referenceOf({ params }: HubRequest): HubReference {
  return hubReferenceOf(params['user'] ?? '', params['name'] ?? '');
}

/** @throws HUB_NOT_FOUND */
export function digestOf({ params }: HubRequest): FlistDigest {
  const digest = parseFlistDigest(params['digest'] ?? '');
  if (digest === undefined) throw notFound('such flist: a digest is 64 lowercase hex digits');
  return digest;
}

/** Hashes one behind the other. @throws HUB_REQUEST_INVALID */
export function hashesOf(body: Buffer): ChunkHash[] {
  if (body.length === 0 || body.length % hashBytes !== 0) {
    throw requestInvalid(`the body is hashes of ${hashBytes} bytes each`);
  }
  const hashes: ChunkHash[] = [];
  for (let at = 0; at < body.length; at += hashBytes) {
    hashes.push(body.toString('hex', at, at + hashBytes) as ChunkHash);
  }
  return hashes;
}

function get(path: string, handle: Reading): HubRoute {
  return { method: 'GET', path, isSigned: false, handle };
}

function pageOf(query: URLSearchParams): PageOptions {
  const limit = query.get('limit') ?? String(pageItems);
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > pageItemsMax) {
    throw requestInvalid(`limit is 1 to ${pageItemsMax}`);
  }
  return { after: query.get('after') ?? '', limit: Number(limit) };
}

async function sendFlist(
  { hub, headers }: HubRequest,
  digest: FlistDigest,
  caching: string,
): Promise<HubAnswer> {
  const etag = `"${digest}"`;
  const head = { etag, 'cache-control': caching, 'grid-digest': digest };
  const path = hub.reader.flistPath(digest);
  const sizeBytes = await sizeIfThere(path);
  if (sizeBytes === undefined) throw notFound(`flist ${digest}`);
  if (headers['if-none-match'] === etag) return { status: 304, headers: head };
  return {
    status: 200,
    headers: { ...head, 'content-type': 'application/octet-stream', 'content-length': sizeBytes },
    pieces: piecesOf(path),
  };
}

async function sendChunk(request: HubRequest): Promise<HubAnswer> {
  const hash = parseChunkHash(request.params['hash'] ?? '');
  const packed = await packedChunk(request, hash);
  if (packed === undefined) throw notFound(`chunk ${hash}`);
  return {
    status: 200,
    headers: {
      etag: `"${hash}"`,
      'cache-control': immutable,
      vary: formsHeader,
      'content-type': 'application/octet-stream',
      'content-length': packed.length,
    },
    pieces: one(packed),
  };
}

async function sendChunks(request: HubRequest): Promise<HubAnswer> {
  const hashes = hashesOf(request.body);
  const read = async (hash: ChunkHash): Promise<readonly Uint8Array[]> => {
    const packed = await packedChunk(request, hash);
    const header = frameHeader(hash, packed?.length);
    return packed === undefined ? [header] : [header, packed];
  };
  return {
    status: 200,
    headers: { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' },
    pieces: readAhead(hashes, read),
  };
}

/** A chunk in a form that the caller takes. */
async function packedChunk(
  { hub, headers, signal }: HubRequest,
  hash: ChunkHash,
): Promise<Uint8Array | undefined> {
  for await (const chunk of hub.repository.fetch([hash], signal)) {
    const fit = takesSplit(headers[formsHeader]) ? chunk : await frameOfChunk(chunk);
    return fit.packed;
  }
  return undefined;
}

/** The next is read while one is sent: two in memory for each request. */
async function* readAhead<T>(
  items: readonly T[],
  read: (item: T) => Promise<readonly Uint8Array[]>,
): AsyncGenerator<Uint8Array, void> {
  let next: Promise<readonly Uint8Array[]> | undefined;
  try {
    for (const item of items) {
      const current = next;
      next = read(item);
      // Its failure is thrown when its turn comes; nobody listens before.
      next.catch(() => {});
      if (current !== undefined) yield* await current;
    }
    if (next !== undefined) yield* await next;
  } finally {
    // Of an answer that is cut off, too, nothing outlives the request.
    await next?.catch(() => {});
  }
}

async function* one(piece: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield piece;
}

async function sizeIfThere(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Opens the file with the first piece: an answer without a body holds none. */
async function* piecesOf(path: string): AsyncGenerator<Uint8Array, void> {
  const file = await open(path, 'r');
  try {
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(pieceBytes));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
