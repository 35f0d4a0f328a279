import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import { parseOciDigest } from './digest.ts';
import type { OciDigest } from './digest.ts';

/** An image in a registry: `registry.example:5000/team/app:1.2` or `...@sha256:...`. */
export interface ImageReference {
  /** With the port where there is one. */
  readonly host: string;
  readonly repository: string;
  readonly tag: string | undefined;
  /** Counts before the tag. */
  readonly digest: OciDigest | undefined;
}

const hostPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const repositoryPattern =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;

/** Characters of a reference. */
const referenceLengthMax = 512;

/** Characters of the name of a repository. */
const repositoryLengthMax = 255;

/**
 * Reads a reference as docker does, but for one thing: the registry must be named, as none is ours.
 * The tag is `latest` where neither tag nor digest is said.
 * @throws FLIST_REFERENCE_INVALID
 */
export function parseReference(text: string): ImageReference {
  if (text.length > referenceLengthMax) throw invalid(text, 'it is too long');
  const [name = '', digestText, ...more] = text.split('@');
  const digest = parseOciDigest(digestText);
  if (more.length > 0 || (digestText !== undefined && digest === undefined)) {
    throw invalid(text, 'its digest is none');
  }
  const slash = name.indexOf('/');
  const host = name.slice(0, Math.max(0, slash));
  const isHost = host === 'localhost' || /[.:]/.test(host);
  if (!isHost || !hostPattern.test(host)) throw invalid(text, 'it does not begin with a registry');
  const rest = name.slice(slash + 1);
  const colon = rest.lastIndexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (tag !== undefined && !tagPattern.test(tag)) throw invalid(text, 'its tag is none');
  const repository = isDockerHub(host) && !path.includes('/') ? `library/${path}` : path;
  if (repository.length > repositoryLengthMax || !repositoryPattern.test(repository)) {
    throw invalid(text, 'its repository is none');
  }
  const isBare = tag === undefined && digest === undefined;
  return { host, repository, tag: isBare ? 'latest' : tag, digest };
}

/** What the registry is asked for: the digest, or else the tag. */
export function referenceKey({ digest, tag = 'latest' }: ImageReference): string {
  return digest ?? tag;
}

export function shownReference(reference: ImageReference): string {
  const { host, repository, tag, digest } = reference;
  const suffix = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
  return `${host}/${repository}${suffix}`;
}

/** The machine that answers for a registry. */
export function registryHost({ host }: ImageReference): string {
  return isDockerHub(host) ? 'registry-1.docker.io' : host;
}

/** Whether a host, with or without a port, is this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function isDockerHub(host: string): boolean {
  return host === 'docker.io' || host === 'index.docker.io';
}

function invalid(text: string, why: string): GridError<FlistErrorCode> {
  const shown = text.slice(0, 200);
  return new GridError('FLIST_REFERENCE_INVALID', `"${shown}" names no image: ${why}`, {
    hint: 'write host/name:tag, such as registry.example:5000/team/app:1.2',
    details: { reference: shown },
  });
}
