import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';

/** `USER/NAME`, or `USER/NAME:TAG`. */
export interface HubReference {
  readonly user: string;
  readonly name: string;
  /** Empty for the name itself. */
  readonly tag: string;
}

/** No character in these needs to be written in another way in a URL. */
const userPattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const namePattern = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** @throws HUB_NAME_INVALID */
export function parseUserName(text: string): string {
  if (userPattern.test(text)) return text;
  throw invalid('a user has 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit');
}

/** @throws HUB_NAME_INVALID */
export function parseHubReference(text: string): HubReference {
  const slash = text.indexOf('/');
  if (slash < 0) throw invalid('a reference is USER/NAME or USER/NAME:TAG');
  return hubReferenceOf(text.slice(0, slash), text.slice(slash + 1));
}

/**
 * @param last `NAME` or `NAME:TAG`
 * @throws HUB_NAME_INVALID
 */
export function hubReferenceOf(user: string, last: string): HubReference {
  const colon = last.indexOf(':');
  const name = colon < 0 ? last : last.slice(0, colon);
  const tag = colon < 0 ? '' : last.slice(colon + 1);
  if (!namePattern.test(name)) {
    throw invalid('a name has 1 to 128 of a-z 0-9 . _ - and begins with a letter or digit');
  }
  if (colon >= 0 && !tagPattern.test(tag)) {
    throw invalid('a tag has 1 to 128 of A-Z a-z 0-9 . _ - and does not begin with . or -');
  }
  return { user: parseUserName(user), name, tag };
}

export function hubReferenceText({ user, name, tag }: HubReference): string {
  return tag === '' ? `${user}/${name}` : `${user}/${name}:${tag}`;
}

function invalid(message: string): GridError<FlistErrorCode> {
  return new GridError('HUB_NAME_INVALID', message, { hint: 'correct the name' });
}
