import type { Query } from '../protocol/query.ts';
import { S3Error } from '../protocol/s3-error.ts';

/** Most entries of one page of a list, as at AWS. */
const pageEntriesMax = 1000;

/** What all lists of a bucket are asked with. */
export interface ListParameters {
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly max: number;
  readonly encoding: 'url' | undefined;
}

/** @throws S3Error InvalidArgument */
export function readListParameters(query: Query, maxName: string): ListParameters {
  const delimiter = query.get('delimiter');
  const encoding = query.get('encoding-type');
  if (encoding !== undefined && encoding !== 'url') {
    throw invalid('encoding-type', encoding, 'Invalid Encoding Method specified in Request');
  }
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: delimiter === '' ? undefined : delimiter,
    max: readCount(query, maxName, pageEntriesMax, 0),
    encoding,
  };
}

/**
 * A number of entries: what is above the most that a page has counts as that.
 * @throws S3Error InvalidArgument
 */
export function readCount(query: Query, name: string, max: number, min: number): number {
  const text = query.get(name);
  if (text === undefined || text === '') return max;
  const count = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (count < min || count > 0x7fff_ffff) {
    throw invalid(name, text, `Argument ${name} must be an integer between ${min} and 2147483647`);
  }
  return Math.min(count, max);
}

/** The error for an argument that cannot be. */
export function invalid(name: string, value: string, message: string): S3Error {
  return new S3Error('InvalidArgument', message, {
    elements: { ArgumentName: name, ArgumentValue: value },
  });
}
