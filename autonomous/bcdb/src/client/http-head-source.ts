import type { HeadSource } from '../follow/head-source.ts';
import type { HttpLink } from './http-link.ts';
import { sourceLink, successionPath } from './source-link.ts';
import type { SourceOptions } from './source-link.ts';

/** Heads from a server, for a `HeadFollower`: they are everybody's. */
export class HttpHeadSource implements HeadSource {
  readonly #link: HttpLink;

  constructor(options: Pick<SourceOptions, 'url' | 'log' | 'timeoutMs'>) {
    this.#link = sourceLink(options);
  }

  /** @throws BCDB_UNREACHABLE */
  head(size: number, signal: AbortSignal): Promise<unknown> {
    return this.#link.json(`/v1/head?from=${size}`, { signal, isPublic: true });
  }

  succession(signal: AbortSignal): Promise<unknown> {
    return this.#link.json(successionPath, { signal, isPublic: true });
  }
}
