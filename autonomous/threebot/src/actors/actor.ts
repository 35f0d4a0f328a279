import type { DatabaseSync } from 'node:sqlite';
import type { Static, TSchema } from 'typebox';
import type { Caller, Permission } from './caller.ts';

/** What a method gets beside its input. */
export interface CallContext {
  readonly caller: Caller;
  /** Fires when the caller is gone, or time is up. */
  readonly signal: AbortSignal;
}

/** A message to another bot, which leaves when the transaction is committed. */
export interface Outgoing {
  /** Id of the receiver. */
  readonly to: string;
  /** `actor.method` of the receiver. */
  readonly kind: string;
  /** Its input: JSON. */
  readonly body: unknown;
  /** For how long it may be delivered, ms. Default 7 days. */
  readonly lifeMs?: number;
}

/** What an effect gets beside its input. */
export interface EffectContext {
  readonly caller: Caller;
  /** The tables of the bot, within a transaction that is committed when the effect returns. */
  readonly db: DatabaseSync;
  /** Puts a message into the outbox, in the same transaction. Returns its id. */
  readonly send: (message: Outgoing) => string;
}

interface MethodShape<Input extends TSchema, Output extends TSchema> {
  readonly summary: string;
  readonly input: Input;
  readonly output: Output;
  readonly permission: Permission;
  /** Whether apps of the owner may call it, too. Default: no. */
  readonly isForApps?: boolean;
}

/** A method that may wait. It cannot be called by mailbox: how often it ran would not be known. */
export interface HandledMethod<
  Input extends TSchema = TSchema,
  Output extends TSchema = TSchema,
> extends MethodShape<Input, Output> {
  readonly handler: (
    input: Static<Input>,
    context: CallContext,
  ) => Static<Output> | Promise<Static<Output>>;
}

/**
 * A method that changes the tables of the bot and does nothing else: it runs in one transaction, with
 * the id of the message where it comes by mailbox. So each message has its effect once.
 */
export interface EffectMethod<
  Input extends TSchema = TSchema,
  Output extends TSchema = TSchema,
> extends MethodShape<Input, Output> {
  readonly effect: (input: Static<Input>, context: EffectContext) => Static<Output>;
}

export type Method<Input extends TSchema = TSchema, Output extends TSchema = TSchema> =
  | HandledMethod<Input, Output>
  | EffectMethod<Input, Output>;

/**
 * Ties the types of a handler or an effect to the schemas that its input is checked by.
 *
 *     const greet = method({
 *       summary: 'Says hello', permission: 'public',
 *       input: Type.Object({ name: Type.String() }), output: Type.String(),
 *       handler: ({ name }) => `hello ${name}`,
 *     });
 */
export function method<Input extends TSchema, Output extends TSchema>(
  definition: HandledMethod<Input, Output>,
): HandledMethod<Input, Output>;
export function method<Input extends TSchema, Output extends TSchema>(
  definition: EffectMethod<Input, Output>,
): EffectMethod<Input, Output>;
export function method(definition: unknown): unknown {
  return definition;
}

/** Of any method, as it is kept: what it gets has passed its schema. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyMethod = HandledMethod<any, any> | EffectMethod<any, any>;

/** Methods under a name. */
export interface Actor<
  Name extends string = string,
  Methods extends Readonly<Record<string, AnyMethod>> = Readonly<Record<string, AnyMethod>>,
> {
  readonly name: Name;
  readonly methods: Methods;
  /** Tables that its effects use: statements that may run at each start. */
  readonly tables?: string;
}

/** Methods under a name, offered over every door at once. */
export function actor<
  const Name extends string,
  const Methods extends Readonly<Record<string, AnyMethod>>,
>(name: Name, methods: Methods, tables?: string): Actor<Name, Methods> {
  return { name, methods, ...(tables === undefined ? {} : { tables }) };
}
