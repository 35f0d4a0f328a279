import { GridError } from '@commongrid/base';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { BotErrorCode } from '../errors.ts';
import type { Actor, AnyMethod } from './actor.ts';

/** A method that can be called by its name. */
export interface CatalogMethod {
  readonly actor: string;
  /** `actor.method`. */
  readonly name: string;
  readonly method: AnyMethod;
  /** @throws BOT_INPUT_INVALID */
  readonly checkInput: (value: unknown) => void;
  /** @throws BOT_OUTPUT_INVALID */
  readonly checkOutput: (value: unknown) => void;
}

const namePattern = /^[a-z][a-zA-Z0-9]{0,31}$/;

/** All that a bot can be asked. */
export class Catalog {
  readonly actors: readonly Actor[];
  readonly methods: ReadonlyMap<string, CatalogMethod>;

  /** @throws BOT_ACTORS_INVALID */
  constructor(actors: readonly Actor[]) {
    this.actors = actors;
    const methods = new Map<string, CatalogMethod>();
    const lowered = new Set<string>();
    for (const one of actors) {
      for (const [short, method] of Object.entries(one.methods)) {
        const name = `${one.name}.${short}`;
        if (!namePattern.test(one.name) || !namePattern.test(short)) throw invalid(name, 'letters');
        // The Redis protocol knows no case.
        if (lowered.has(name.toLowerCase())) throw invalid(name, 'twice');
        lowered.add(name.toLowerCase());
        methods.set(name, compile(one.name, name, method));
      }
    }
    this.methods = methods;
  }

  /** @throws BOT_METHOD_UNKNOWN */
  find(name: string): CatalogMethod {
    const found = this.methods.get(name);
    if (found !== undefined) return found;
    throw new GridError<BotErrorCode>('BOT_METHOD_UNKNOWN', 'there is no such method', {
      hint: '/openapi.json lists them',
      details: { name: name.slice(0, 80) },
    });
  }
}

function compile(actor: string, name: string, method: AnyMethod): CatalogMethod {
  return {
    ...{ actor, name, method },
    checkInput: checker(method.input as TSchema, 'BOT_INPUT_INVALID', `the input of ${name}`),
    checkOutput: checker(method.output as TSchema, 'BOT_OUTPUT_INVALID', `the answer of ${name}`),
  };
}

function checker(schema: TSchema, code: BotErrorCode, what: string): (value: unknown) => void {
  const check = Compile(schema);
  return (value) => {
    if (check.Check(value)) return;
    const [first] = check.Errors(value);
    const place = first?.instancePath || 'the whole';
    throw new GridError<BotErrorCode>(
      code,
      `${what}: ${place} ${first?.message ?? 'is not as it should be'}`,
      { hint: '/openapi.json says what each method takes and answers', details: { place } },
    );
  };
}

function invalid(name: string, why: 'letters' | 'twice'): GridError<BotErrorCode> {
  const message =
    why === 'twice' ? `${name} is defined twice` : `${name} is no name for a method of an actor`;
  return new GridError('BOT_ACTORS_INVALID', message, {
    hint: 'names begin with a small letter, and have letters and digits, 32 at most',
    details: { name },
  });
}
