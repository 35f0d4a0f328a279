import { systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';

import type { FlistDigest } from '../format/flist.ts';
import { parseFlistDigest } from '../format/flist.ts';
import { signFlist, verifyFlistSignature } from '../format/flist-signature.ts';
import type { FlistSignature } from '../format/flist-signature.ts';
import { HttpSource } from '../sources/http-source.ts';
import type { FlistRepository } from '../store/flist-repository.ts';
import { packedFlistBytesMax } from './change-routes.ts';
import { HubLink, replyInvalid } from './hub-link.ts';
import { hubReferenceText, parseHubReference, parseUserName } from './hub-reference.ts';
import type {
  HubPage,
  HubRepository,
  HubRepositorySummary,
  HubUser,
  HubVersion,
  ResolvedName,
} from './hub-types.ts';
import { downloadFlist, downloadImage, uploadImage } from './transfer-image.ts';
import type { UploadSource, TransferOptions, TransferResult } from './transfer-image.ts';

export interface HubClientOptions {
  /** Origin of the hub: `https://hub.example`. */
  readonly url: string;
  /** What requests are signed for. Default: the origin of `url`. Never what a hub says of itself. */
  readonly audience?: string;
  /** Needed for changes. */
  readonly key?: SigningKey;
  readonly clock?: Clock;
  /** Tries of one request, the first included. Default 5. */
  readonly triesMax?: number;
  /** Of one try; for an flist between two pieces of it. Default 120 s. */
  readonly timeoutMs?: number;
  /** For how long a hub may send no chunk during a download. Default 30 s. */
  readonly silenceMs?: number;
}

export interface PageQuery {
  readonly after?: string;
  /** 1 to 1,000. Default 100. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

interface Waiting {
  readonly signal?: AbortSignal;
}

export interface FlistProgress {
  /** Called as it comes; the total is 0 where a hub does not say it. */
  readonly onBytes?: (doneBytes: number, totalBytes: number) => void;
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/**
 * What can be asked of a hub. A name is `USER/NAME` or `USER/NAME:TAG`. Every call throws
 * HUB_UNREACHABLE, HUB_REPLY_INVALID, BASE_ABORTED and what the hub refuses with.
 */
export class HubClient {
  readonly #link: HubLink;
  readonly #chunks: HttpSource;
  readonly #key: SigningKey | undefined;
  readonly #clock: Clock;
  readonly #silenceMs: number;

  constructor(options: HubClientOptions) {
    const { audience, key, clock = systemClock, triesMax = 5, timeoutMs = 120_000 } = options;
    const { origin } = new URL(options.url);
    const link = { url: origin, audience: audience ?? origin, key, clock, triesMax, timeoutMs };
    this.#link = new HubLink(link);
    this.#chunks = new HttpSource({ url: `${origin}/v1`, name: origin });
    this.#key = key;
    this.#clock = clock;
    this.#silenceMs = options.silenceMs ?? 30_000;
  }

  /** Brings what the hub lacks of an image. What a broken upload brought is not sent again. */
  upload(
    digest: FlistDigest,
    source: UploadSource,
    options: TransferOptions = {},
  ): Promise<TransferResult> {
    return uploadImage(this.#link, digest, source, options);
  }

  /** Brings what a repository lacks of an image; all of it is verified. */
  download(
    digest: FlistDigest,
    repository: FlistRepository,
    options: TransferOptions = {},
  ): Promise<TransferResult> {
    const packedBytesMax = packedFlistBytesMax;
    const all = { ...options, packedBytesMax, silenceMs: this.#silenceMs };
    return downloadImage(this.#link, this.#chunks, digest, repository, all);
  }

  /** What a name leads to now. Whoever depends on the image keeps the digest. */
  async resolve(name: string, options: Waiting = {}): Promise<ResolvedName> {
    const answer = await this.#ask<ResolvedName>('GET', `/v1/names/${pathOf(name)}`, options);
    if (parseFlistDigest(answer.digest) === undefined) throw replyInvalid('this is no digest');
    return answer;
  }

  listUsers(page: PageQuery = {}): Promise<HubPage<string>> {
    return this.#ask('GET', `/v1/users${queryOf(page)}`, page);
  }

  user(user: string, options: Waiting = {}): Promise<HubUser> {
    return this.#ask('GET', `/v1/users/${parseUserName(user)}`, options);
  }

  /** Name of the user whose the hub is. @throws HUB_NOT_FOUND where it is nobody's */
  async owner(options: Waiting = {}): Promise<string> {
    const { user } = await this.#ask<{ readonly user: string }>('GET', '/v1/owner', options);
    return parseUserName(user);
  }

  /** Sets what a user may take, or with undefined that of everybody again; for the hub's owner. */
  setQuota(user: string, bytes: number | undefined, options: Waiting = {}): Promise<HubUser> {
    const path = `/v1/quotas/${parseUserName(user)}`;
    if (bytes === undefined) return this.#ask('DELETE', path, options);
    return this.#ask('PUT', path, options, { bytes });
  }

  /**
   * The flist itself, packed as it is kept and sent; its digest is verified. May take however long
   * it takes while something comes. @throws FLIST_CORRUPT
   */
  flist(digest: FlistDigest, options: Waiting & FlistProgress = {}): Promise<Buffer> {
    return downloadFlist(this.#link, digest, packedFlistBytesMax, options);
  }

  listRepositories(user: string, page: PageQuery = {}): Promise<HubPage<HubRepositorySummary>> {
    return this.#ask('GET', `/v1/repositories/${parseUserName(user)}${queryOf(page)}`, page);
  }

  /** With its names and tags. */
  repository(name: string, options: Waiting = {}): Promise<HubRepository> {
    return this.#ask('GET', `/v1/repositories/${pathOf(name)}`, options);
  }

  /** What a name says and said, the newest first. */
  async history(name: string, options: Waiting = {}): Promise<readonly HubVersion[]> {
    const path = `/v1/history/${pathOf(name)}`;
    const { items } = await this.#ask<HubPage<HubVersion>>('GET', path, options);
    return items;
  }

  search(text: string, page: PageQuery = {}): Promise<HubPage<HubRepositorySummary>> {
    return this.#ask('GET', `/v1/search${queryOf(page, { q: text })}`, page);
  }

  /** Gives an image that the hub has a name or tag. */
  name(name: string, digest: FlistDigest, options: Waiting = {}): Promise<ResolvedName> {
    return this.#ask('PUT', `/v1/names/${pathOf(name)}`, options, { digest });
  }

  /** Lets a name or tag stand for another one, whoever's that is, and whatever it will say. */
  link(name: string, target: string, options: Waiting = {}): Promise<ResolvedName> {
    const link = hubReferenceText(parseHubReference(target));
    return this.#ask('PUT', `/v1/names/${pathOf(name)}`, options, { link });
  }

  describe(
    name: string,
    what: { readonly description: string; readonly labels: Readonly<Record<string, string>> },
    options: Waiting = {},
  ): Promise<HubRepository> {
    return this.#ask('PUT', `/v1/repositories/${pathOf(name)}`, options, what);
  }

  /** Gives the image of one name another name, too. */
  promote(
    from: string,
    to: string,
    options: Waiting = {},
  ): Promise<{ readonly digest: FlistDigest }> {
    return this.#ask('POST', '/v1/promote', options, { from, to });
  }

  /** Lets the hub make an image of 2 to 16, the last on top. */
  merge(
    from: readonly string[],
    to: string,
    options: Waiting = {},
  ): Promise<{ readonly digest: FlistDigest }> {
    return this.#ask('POST', '/v1/merge', options, { from, to });
  }

  /** Removes a tag, or for a name the repository with all its tags. */
  async remove(name: string, options: Waiting = {}): Promise<void> {
    await this.#ask('DELETE', `/v1/names/${pathOf(name)}`, options);
  }

  /** Forgets what a name said before, so that those images can go. */
  forget(name: string, options: Waiting = {}): Promise<{ readonly forgotten: number }> {
    return this.#ask('DELETE', `/v1/history/${pathOf(name)}`, options);
  }

  /** Signs an image with the client's key and leaves the signature with the hub. */
  async sign(digest: FlistDigest, options: Waiting = {}): Promise<FlistSignature> {
    if (this.#key === undefined) throw new TypeError('a client without a key cannot sign');
    const signature = signFlist(this.#key, digest, this.#clock.nowMs());
    await this.leaveSignature(signature, options);
    return signature;
  }

  /** Leaves a signature by a key of the caller's with the hub. */
  async leaveSignature(signature: FlistSignature, options: Waiting = {}): Promise<void> {
    await this.#ask('PUT', `/v1/signatures/${signature.digest}`, options, signature);
  }

  /** The signatures of an image, each verified; whom to trust is for the caller to say. */
  async signatures(digest: FlistDigest, options: Waiting = {}): Promise<FlistSignature[]> {
    const path = `/v1/signatures/${digest}`;
    const { items } = await this.#ask<HubPage<FlistSignature>>('GET', path, options);
    for (const json of items) verifyFlistSignature(json, digest);
    return [...items];
  }

  /** The keys that signed an image. */
  async signers(digest: FlistDigest, options: Waiting = {}): Promise<string[]> {
    return (await this.signatures(digest, options)).map(({ key }) => key);
  }

  async #ask<T>(method: Method, path: string, { signal }: Waiting, body?: unknown): Promise<T> {
    const json = await this.#link.json({ method, path, body, signal });
    // Typed by the hub's routes; digests and signatures are checked where they are used.
    return json as T;
  }
}

function pathOf(name: string): string {
  return hubReferenceText(parseHubReference(name));
}

function queryOf({ after, limit }: PageQuery, more: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams(more);
  if (after !== undefined) query.set('after', after);
  if (limit !== undefined) query.set('limit', String(limit));
  return query.size === 0 ? '' : `?${query.toString()}`;
}
