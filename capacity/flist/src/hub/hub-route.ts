import type { IncomingHttpHeaders } from 'node:http';

import { GridError } from '@commongrid/base';

import type { FlistErrorCode } from '../errors.ts';
import type { Caller, Hub } from './hub.ts';
import { notFound, requestInvalid } from './hub-status.ts';

/** A request whose head was read, and whose body, if it has one, came whole. */
export interface HubRequest {
  readonly hub: Hub;
  /** The parts of the path that the route leaves open. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly signal: AbortSignal;
}

/** One that shows who asks. */
export interface SignedHubRequest extends HubRequest {
  readonly caller: Caller;
}

export type HubAnswer =
  | { readonly status: number; readonly json: unknown }
  | {
      readonly status: number;
      readonly headers: Readonly<Record<string, string | number>>;
      /** Not there: no body. */
      readonly pieces?: AsyncIterable<Uint8Array>;
    };

interface RouteHead {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/v1/chunks/:hash` */
  readonly path: string;
  /** Default 0: it has no body. */
  readonly bodyBytesMax?: number;
}

export type HubRoute =
  | (RouteHead & {
      readonly isSigned: true;
      readonly handle: (request: SignedHubRequest) => Promise<HubAnswer>;
    })
  | (RouteHead & {
      readonly isSigned: false;
      readonly handle: (request: HubRequest) => Promise<HubAnswer>;
    });

export interface MatchedRoute {
  readonly route: HubRoute;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

/** Longest path with its query, characters. */
const targetLengthMax = 4_096;

/** A path has no character that needs to be written in another way: `..` and the like lead nowhere. */
const pathPattern = /^(?:\/[A-Za-z0-9._:-]+)+$/;

/** @throws HUB_REQUEST_INVALID, HUB_NOT_FOUND, HUB_METHOD_REFUSED */
export function matchRoute(
  routes: readonly HubRoute[],
  method: string,
  target: string,
): MatchedRoute {
  if (target.length > targetLengthMax) throw requestInvalid('the path is too long');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  if (!pathPattern.test(path)) throw notFound('such path');
  const parts = path.split('/');
  const matches = routes.filter((route) => paramsOf(route.path, parts) !== undefined);
  const route = matches.find((one) => one.method === (method === 'HEAD' ? 'GET' : method));
  if (route !== undefined) {
    const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
    return { route, params: paramsOf(route.path, parts) ?? {}, query };
  }
  if (matches.length === 0) throw notFound('such path');
  throw new GridError<FlistErrorCode>('HUB_METHOD_REFUSED', 'this path has no such method', {
    hint: `use ${matches.map((one) => one.method).join(' or ')}`,
  });
}

function paramsOf(pattern: string, parts: readonly string[]): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  if (wanted.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, part] of parts.entries()) {
    const want = wanted[at] ?? '';
    if (want.startsWith(':')) params[want.slice(1)] = part;
    else if (want !== part) return undefined;
  }
  return params;
}
