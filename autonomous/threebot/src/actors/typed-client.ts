import type { Static, TSchema } from 'typebox';
import type { Actor } from './actor.ts';

/** Calls methods of a bot by name, over whatever way. */
export interface MethodCaller {
  /** @throws what the method is refused with */
  call(name: string, input: unknown, options?: CallOptions): Promise<unknown>;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

type CallOf<M> = M extends { readonly input: infer I; readonly output: infer O }
  ? I extends TSchema
    ? O extends TSchema
      ? (input: Static<I>, options?: CallOptions) => Promise<Static<O>>
      : never
    : never
  : never;

/** The methods of an actor as functions, typed by its definition. */
export type ActorClient<A extends Actor> = {
  readonly [M in keyof A['methods']]: CallOf<A['methods'][M]>;
};

/**
 * The methods of an actor as functions. Types come from the definition; the names are all that is
 * needed of it at run time. That answers fit their type is what the other side checks.
 */
export function actorClient<A extends Actor>(
  { name, methods }: A,
  caller: MethodCaller,
): ActorClient<A> {
  const functions = Object.keys(methods).map((short) => [
    short,
    (input: unknown, options?: CallOptions) => caller.call(`${name}.${short}`, input, options),
  ]);
  return Object.fromEntries(functions) as ActorClient<A>;
}
