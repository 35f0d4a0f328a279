import { S3Error } from './s3-error.ts';
import { uriDecode } from './uri-encoding.ts';

/** Parameters of one query; S3 has no operation that takes a quarter of them. */
const queryParametersMax = 100;

/** The parameters of a query string, decoded, in the order in which they came. */
export class Query {
  readonly entries: readonly (readonly [name: string, value: string])[];
  readonly #first = new Map<string, string>();

  private constructor(entries: readonly (readonly [string, string])[]) {
    this.entries = entries;
    for (const [name, value] of entries) {
      if (!this.#first.has(name)) this.#first.set(name, value);
    }
  }

  /**
   * Of what stands behind the question mark. A plus is a space, as S3 reads it.
   * @throws S3Error InvalidURI for broken escapes, InvalidArgument for too many parameters
   */
  static parse(raw: string): Query {
    const parts = raw.split('&', queryParametersMax + 1).filter((part) => part !== '');
    if (parts.length > queryParametersMax) {
      throw new S3Error('InvalidArgument', 'The query has too many parameters.');
    }
    return new Query(parts.map(parsePart));
  }

  /** The value of a parameter; empty when it has none; of repeated ones the first. */
  get(name: string): string | undefined {
    return this.#first.get(name);
  }

  has(name: string): boolean {
    return this.#first.has(name);
  }

  /** How often a parameter was given. */
  count(name: string): number {
    return this.entries.reduce((count, entry) => (entry[0] === name ? count + 1 : count), 0);
  }
}

function parsePart(part: string): readonly [string, string] {
  const equals = part.indexOf('=');
  if (equals < 0) return [decode(part), ''];
  return [decode(part.slice(0, equals)), decode(part.slice(equals + 1))];
}

function decode(raw: string): string {
  const text = uriDecode(raw.includes('+') ? raw.replaceAll('+', ' ') : raw);
  if (text === undefined) throw new S3Error('InvalidURI');
  return text;
}
