import type { Readable } from 'node:stream';
import { Type } from 'typebox';
import type { Static, TSchema } from 'typebox';
import type { Identity } from '../access/identity.ts';

/** A request, checked and taken apart. */
export interface Call<P, Q, B> {
  readonly who: Identity;
  /** Address of the peer. */
  readonly address: string;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly header: (name: string) => string | undefined;
  /** Fires when the peer is gone. */
  readonly signal: AbortSignal;
}

interface RouteShape<P extends TSchema, Q extends TSchema, B extends TSchema> {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** `/v1/namespaces/:ns/objects/:url/*id`: what follows `*` is the name of the rest. */
  readonly path: string;
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Media type of an answer that is not JSON. */
  readonly media?: string;
  /** Whether the answer is compressed for who takes zstd. */
  readonly isPacked?: boolean;
  /** Whether the answer never changes and may be kept by anybody. */
  readonly isImmutable?: (params: Static<P>) => boolean;
}

export interface RouteSpec<
  P extends TSchema,
  Q extends TSchema,
  B extends TSchema,
  R extends TSchema,
> extends RouteShape<P, Q, B> {
  readonly reply: R;
  readonly handle: (
    call: Call<Static<P>, Static<Q>, Static<B>>,
  ) => Promise<Frozen<Static<R>>> | Frozen<Static<R>>;
}

/** Answers are only written down: their lists and members may be those of somebody else. */
type Frozen<T> = T extends readonly (infer I)[]
  ? readonly Frozen<I>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/** One request of the API: what it takes, what it gives, what it does. */
export interface Route extends Omit<RouteShape<TSchema, TSchema, TSchema>, 'isImmutable'> {
  readonly reply: TSchema;
  readonly isImmutable?: (params: unknown) => boolean;
  readonly handle: (call: Call<unknown, unknown, unknown>) => unknown;
}

const none = Type.Object({});

/** Ties the types of a handler to the schemas that its requests are checked by. */
export function route<
  P extends TSchema = typeof none,
  Q extends TSchema = typeof none,
  B extends TSchema = typeof none,
  R extends TSchema = TSchema,
>(spec: RouteSpec<P, Q, B, R>): Route {
  // What the handler gets has passed the schemas that its types come from.
  return spec as unknown as Route;
}

/** An answer of bytes. */
export const bytesReply = Type.Unsafe<Uint8Array>({ type: 'string', format: 'binary' });

/** An answer that goes on. */
export const streamReply = Type.Unsafe<Readable>({ type: 'string' });
