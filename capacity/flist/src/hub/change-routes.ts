import { isGridError } from '@commongrid/base';

import type { PackedChunk } from '../ports.ts';
import { readFrames } from '../sources/chunk-frames.ts';
import { parseChunkHash } from '../sources/hash-text.ts';
import { packedChunkBytesMax } from '../store/chunk-codec.ts';
import { hashBytes } from '../tree/inode.ts';
import { parseFlistDigest } from '../format/flist.ts';
import { hubReferenceText, parseHubReference, parseUserName } from './hub-reference.ts';
import type { HubReference } from './hub-reference.ts';
import type { HubAnswer, HubRoute, SignedHubRequest } from './hub-route.ts';
import { requestInvalid } from './hub-status.ts';
import { digestOf, hashesOf, ok, referenceOf } from './read-routes.ts';

/** Hashes that one question for missing chunks may have. */
export const missingHashesMax = 10_000;
/** Bytes of chunks with their frames that come in one request. */
export const uploadBytesMax = 8 * 1024 * 1024;
/** Bytes of an flist as it is sent. */
export const packedFlistBytesMax = 64 * 1024 * 1024;
/** Bytes of a JSON body. */
const jsonBytesMax = 64 * 1024;
/** Images that one merge takes. */
const mergedImagesMax = 16;
/** Characters of what is said of a repository. */
const descriptionLengthMax = 4_096;
/** Labels of a repository. */
const labelsMax = 64;
/** Characters of the name of a label, and of its text. */
const labelLengthMax = 256;

type Changing = (request: SignedHubRequest) => Promise<HubAnswer>;

/** What only a known key may ask, of what is its user's. */
export const changeRoutes: readonly HubRoute[] = [
  signed('POST', '/v1/chunks/missing', missingHashesMax * hashBytes, async ({ hub, body }) => {
    const hashes = hashesOf(body);
    const there = await hub.repository.hasChunks(hashes);
    return ok({ missing: hashes.filter((hash) => !there.has(hash)) });
  }),
  signed('PUT', '/v1/chunks', uploadBytesMax, async ({ hub, caller, body }) => {
    const chunks = await chunksOf(body);
    await hub.putChunks(caller, chunks);
    return ok({ chunks: chunks.length });
  }),
  signed('PUT', '/v1/chunks/:hash', packedChunkBytesMax, async (request) => {
    const hash = parseChunkHash(request.params['hash'] ?? '');
    await request.hub.putChunks(request.caller, [{ hash, packed: request.body }]);
    return ok({ chunks: 1 });
  }),
  signed('PUT', '/v1/flists/:digest', packedFlistBytesMax, async (request) => {
    const digest = digestOf(request);
    await request.hub.putFlist(request.caller, digest, request.body);
    return ok({ digest });
  }),
  signed('PUT', '/v1/signatures/:digest', jsonBytesMax, async (request) => {
    const digest = digestOf(request);
    await request.hub.putSignature(request.caller, digest, jsonOf(request));
    return ok({ digest });
  }),
  signed('PUT', '/v1/names/:user/:name', jsonBytesMax, async (request) => {
    await request.hub.putName(request.caller, referenceOf(request), saidBy(jsonOf(request)));
    return ok(request.hub.names.resolve(referenceOf(request)));
  }),
  signed('PUT', '/v1/repositories/:user/:name', jsonBytesMax, async (request) => {
    const { description, labels } = describedBy(jsonOf(request));
    const { user, name } = referenceOf(request);
    request.hub.describe(request.caller, { user, name, tag: '' }, description, labels);
    return ok(request.hub.names.repository(user, name));
  }),
  signed('POST', '/v1/promote', jsonBytesMax, async (request) => {
    const json = jsonOf(request);
    const to = referenceIn(json['to']);
    const digest = await request.hub.promote(request.caller, referenceIn(json['from']), to);
    return ok({ digest });
  }),
  signed('POST', '/v1/merge', jsonBytesMax, async (request) => {
    const { from, to } = jsonOf(request);
    if (!Array.isArray(from) || from.length < 2 || from.length > mergedImagesMax) {
      throw requestInvalid(`"from" lists 2 to ${mergedImagesMax} names`);
    }
    const sources = from.map((name: unknown) => referenceIn(name));
    return ok({ digest: await request.hub.merge(request.caller, sources, referenceIn(to)) });
  }),
  signed('PUT', '/v1/quotas/:user', jsonBytesMax, async (request) => {
    const { bytes } = jsonOf(request);
    if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) {
      throw requestInvalid('"bytes" is a whole number, 0 or more');
    }
    return setQuota(request, bytes);
  }),
  signed('DELETE', '/v1/quotas/:user', 0, async (request) => setQuota(request, undefined)),
  signed('DELETE', '/v1/names/:user/:name', 0, async (request) => {
    request.hub.remove(request.caller, referenceOf(request));
    return ok({});
  }),
  signed('DELETE', '/v1/history/:user/:name', 0, async (request) =>
    ok({ forgotten: request.hub.forget(request.caller, referenceOf(request)) }),
  ),
];

function setQuota(request: SignedHubRequest, bytes: number | undefined): HubAnswer {
  const { hub, caller, params } = request;
  const user = parseUserName(params['user'] ?? '');
  hub.setQuota(caller, user, bytes);
  const [usedBytes, quotaBytes] = [hub.quota.usedBytes(user), hub.quota.quotaBytes(user)];
  return ok({ user, usedBytes, quotaBytes });
}

function signed(
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  bodyBytesMax: number,
  handle: Changing,
): HubRoute {
  return { method, path, bodyBytesMax, isSigned: true, handle };
}

/** @throws HUB_REQUEST_INVALID */
async function chunksOf(body: Buffer): Promise<PackedChunk[]> {
  try {
    return await Array.fromAsync(readFrames(one(body), 'the body'));
  } catch (error) {
    if (!isGridError(error, 'FLIST_SOURCE_FAILED')) throw error;
    throw requestInvalid('the body is no row of chunks with their hashes and lengths', error);
  }
}

async function* one(body: Buffer): AsyncGenerator<Buffer, void> {
  yield body;
}

function jsonOf({ body }: SignedHubRequest): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw requestInvalid('the body is no JSON', error);
  }
  if (isRecord(json)) return json;
  throw requestInvalid('the body is no JSON object');
}

function isRecord(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function saidBy({
  digest,
  link,
}: Record<string, unknown>): Parameters<SignedHubRequest['hub']['putName']>[2] {
  const isOne = (digest === undefined) !== (link === undefined);
  if (isOne && typeof link === 'string') return { link: hubReferenceText(parseHubReference(link)) };
  const parsed = isOne && typeof digest === 'string' ? parseFlistDigest(digest) : undefined;
  if (parsed !== undefined) return { digest: parsed };
  throw requestInvalid('the body has either a "digest" or a "link"');
}

function describedBy({ description, labels }: Record<string, unknown>): {
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
} {
  if (typeof description !== 'string' || description.length > descriptionLengthMax) {
    throw requestInvalid(`"description" is a text of at most ${descriptionLengthMax} characters`);
  }
  if (!isRecord(labels) || !Object.entries(labels).every(isLabel)) {
    throw requestInvalid(`"labels" are texts of at most ${labelLengthMax} characters by names`);
  }
  if (Object.keys(labels).length > labelsMax) throw requestInvalid(`at most ${labelsMax} labels`);
  const texts = Object.entries(labels).map(([key, value]) => [key, String(value)] as const);
  return { description, labels: Object.fromEntries(texts) };
}

function isLabel([key, value]: [string, unknown]): boolean {
  const isText = typeof value === 'string' && value.length <= labelLengthMax;
  return isText && key.length > 0 && key.length <= labelLengthMax;
}

/** @throws HUB_REQUEST_INVALID, HUB_NAME_INVALID */
function referenceIn(value: unknown): HubReference {
  if (typeof value === 'string') return parseHubReference(value);
  throw requestInvalid('a name is a text: USER/NAME or USER/NAME:TAG');
}
