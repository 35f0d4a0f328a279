import { delay, GridError, isGridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { ociDigestOf, parseOciDigest, readBounded, readVerified } from './digest.ts';
import type { OciDigest } from './digest.ts';
import { findImage } from './image-source.ts';
import type { FirstDocument, ImageSource, SourceImage } from './image-source.ts';
import { documentBytesMax } from './manifest.ts';
import type { Descriptor, Platform } from './manifest.ts';
import { acceptedTypes, isIndexType, isManifestType } from './media-types.ts';
import { parseReference, referenceKey, shownReference } from './reference.ts';
import type { ImageReference } from './reference.ts';
import { RegistryClient } from './registry-client.ts';
import type { RegistryAnswer, RegistryOptions } from './registry-client.ts';

/** How often the download of one blob goes on after it broke off. */
const resumesMax = 5;

/** Pause before a download goes on. */
const resumePauseMs = 200;

/** An image in a registry, pulled without docker. */
export class RegistryImage implements ImageSource {
  readonly name: string;
  readonly #reference: ImageReference;
  readonly #client: RegistryClient;

  /** @throws FLIST_REFERENCE_INVALID */
  constructor(reference: string, options: RegistryOptions = {}) {
    this.#reference = parseReference(reference);
    this.name = shownReference(this.#reference);
    this.#client = new RegistryClient(this.#reference, options);
  }

  async find(platform: Platform, signal?: AbortSignal): Promise<SourceImage> {
    const first = await this.#manifest(referenceKey(this.#reference), signal);
    const open = (
      descriptor: Descriptor,
      openSignal: AbortSignal | undefined,
    ): AsyncIterable<Uint8Array> =>
      isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType)
        ? this.#manifestBytes(descriptor, openSignal)
        : this.#blob(descriptor, openSignal);
    return findImage(first, open, platform, signal);
  }

  /** It holds nothing open between two calls. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /** A manifest or index, verified by the digest that was asked for or that the registry says. */
  async #manifest(key: string, signal: AbortSignal | undefined): Promise<FirstDocument> {
    const answer = await this.#client.send({
      method: 'GET',
      target: `/manifests/${key}`,
      headers: { accept: acceptedTypes },
      signal,
      expected: [200],
    });
    const what = `manifest ${key}`;
    const wanted =
      parseOciDigest(key) ?? parseOciDigest(answer.headers.get('docker-content-digest'));
    const bytes =
      wanted === undefined
        ? await readBounded(answer.body, documentBytesMax, what)
        : await readVerified(answer.body, { digest: wanted, what, bytesMax: documentBytesMax });
    const type = answer.headers.get('content-type')?.split(';')[0]?.trim();
    const mediaType = type === undefined || genericTypes.has(type) ? undefined : type;
    return { bytes, digest: wanted ?? ociDigestOf(bytes), mediaType };
  }

  async *#manifestBytes(
    { digest }: Descriptor,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, void> {
    yield (await this.#manifest(digest, signal)).bytes;
  }

  /** Goes on where it broke off. */
  async *#blob(
    { digest, sizeBytes }: Descriptor,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, void> {
    let doneBytes = 0;
    for (let resumes = 0; ; resumes++) {
      try {
        for await (const piece of this.#blobFrom(digest, doneBytes, signal)) {
          doneBytes += piece.length;
          yield piece;
        }
        if (doneBytes >= sizeBytes) return;
        throw brokenOff(this.name, digest);
      } catch (error) {
        if (!isGridError(error) || !error.retryable || resumes >= resumesMax) throw error;
      }
      await delay(resumePauseMs, { signal });
    }
  }

  async *#blobFrom(
    digest: OciDigest,
    offset: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, void> {
    const answer = await this.#client.send({
      method: 'GET',
      target: `/blobs/${digest}`,
      headers: {
        'accept-encoding': 'identity',
        ...(offset === 0 ? {} : { range: `bytes=${offset}-` }),
      },
      signal,
      expected: [200, 206],
    });
    let skip = offset - startOf(answer);
    if (skip < 0) throw brokenOff(this.name, digest);
    for await (const piece of answer.body) {
      const rest = piece.subarray(Math.min(skip, piece.length));
      skip -= piece.length - rest.length;
      if (rest.length > 0) yield rest;
    }
  }
}

/** Types by which servers say that they do not know. */
const genericTypes: ReadonlySet<string> = new Set([
  'application/json',
  'application/octet-stream',
  'text/plain',
]);

/** Where in the blob an answer begins: a server need not heed a range. */
function startOf({ status, headers }: RegistryAnswer): number {
  if (status !== 206) return 0;
  const start = /^bytes (\d{1,15})-/.exec(headers.get('content-range') ?? '')?.[1];
  return start === undefined ? Infinity : Number(start);
}

function brokenOff(name: string, digest: OciDigest): GridError<FlistErrorCode> {
  return new GridError('FLIST_REGISTRY_FAILED', `${name}: ${digest} ends too early`, {
    retryable: true,
    details: { name, digest },
  });
}
