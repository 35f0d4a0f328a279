import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Validator } from 'typebox/compile';
import { GridError } from '@commongrid/base/browser';
import { canonicalHash } from '@commongrid/crypto';
import type { ModelErrorCode } from './errors.ts';

/** Where the records of a type live: `user` is any namespace that a user made. */
export type RecordNamespace = 'grid' | 'wallet' | 'user';

export interface RecordTypeOptions<S extends TSchema> {
  readonly url: string;
  readonly namespace: RecordNamespace;
  readonly schema: S;
  /**
   * Id of the object that a payload belongs to, where the payload says it; undefined where the
   * author chooses one.
   */
  readonly objectOf?: (value: Static<S>) => string;
}

/** One type of record: its schema, where it lives, and under which id. */
export class RecordType<S extends TSchema = TSchema> {
  readonly url: string;
  readonly namespace: RecordNamespace;
  readonly schema: S;
  readonly #objectOf: ((value: Static<S>) => string) | undefined;
  #validator: Validator | undefined;
  #schemaId: string | undefined;

  constructor({ url, namespace, schema, objectOf }: RecordTypeOptions<S>) {
    this.url = url;
    this.namespace = namespace;
    this.schema = schema;
    this.#objectOf = objectOf;
  }

  /** SHA-256 of the canonical text of the schema, base64url: what envelopes call `schema`. */
  get schemaId(): string {
    this.#schemaId ??= canonicalHash(this.schema).toBase64({
      alphabet: 'base64url',
      omitPadding: true,
    });
    return this.#schemaId;
  }

  /**
   * The value with its type, once it fits.
   * @throws MODEL_RECORD_INVALID with the place of the first fault in `details.path`
   */
  parse(value: unknown): Static<S> {
    this.#validator ??= Compile(this.schema);
    if (this.#validator.Check(value)) return value as Static<S>;
    const fault = this.#validator.Errors(value).at(0);
    const path = fault?.instancePath ?? '';
    throw new GridError<ModelErrorCode>(
      'MODEL_RECORD_INVALID',
      `no ${this.url}: ${path === '' ? 'the value' : path} ${fault?.message ?? 'does not fit'}`,
      { details: { url: this.url, path } },
    );
  }

  /** Whether a value fits. */
  fits(value: unknown): value is Static<S> {
    this.#validator ??= Compile(this.schema);
    return this.#validator.Check(value);
  }

  /** The object id that a payload must be stored under; undefined where the author chooses. */
  objectOf(value: Static<S>): string | undefined {
    return this.#objectOf?.(value);
  }
}
