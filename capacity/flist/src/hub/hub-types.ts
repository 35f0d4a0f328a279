import type { FlistDigest } from '../format/flist.ts';

/** What a name or tag says at a time: the image, or another name that it stands for. */
export interface HubVersion {
  readonly digest?: FlistDigest;
  /** `USER/NAME` or `USER/NAME:TAG`. */
  readonly link?: string;
  readonly atMs: number;
  /** Who said so, `ed25519:...`. */
  readonly key: string;
}

/** A name or tag and what it says now. */
export interface HubName extends HubVersion {
  /** Empty for the name of the repository itself. */
  readonly tag: string;
}

export interface HubRepositorySummary {
  readonly user: string;
  readonly name: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly changedMs: number;
}

export interface HubRepository extends HubRepositorySummary {
  readonly names: readonly HubName[];
}

/** What a reference leads to. */
export interface ResolvedName {
  readonly digest: FlistDigest;
  /** The references on the way, the one that was asked for first. */
  readonly path: readonly string[];
}

export interface HubUser {
  readonly user: string;
  /** Of the images that the user's names say or said. */
  readonly usedBytes: number;
  readonly quotaBytes: number;
}

/** A part of a list. */
export interface HubPage<T> {
  readonly items: readonly T[];
  /** Give it as `after` to get what follows; not there at the end. */
  readonly next?: string;
}
