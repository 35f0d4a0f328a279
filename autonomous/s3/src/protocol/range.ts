import { S3Error } from './s3-error.ts';

/** Bytes of an object, both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** Some clients write 2^63 - 2 for the end: any number of digits counts. */
const rangeForm = /^bytes=(\d*)-(\d*)$/;

/**
 * The bytes that a Range header asks for; undefined for all of them. As at AWS, headers that are
 * malformed or name several ranges count as none.
 * @throws S3Error InvalidRange when the object has none of the bytes
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | undefined {
  const [, from, to] = rangeForm.exec(header?.trim() ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  if (from === '') {
    const count = Math.min(Number(to), sizeBytes);
    if (count === 0) throw unsatisfiable(header, sizeBytes);
    return { first: sizeBytes - count, last: sizeBytes - 1 };
  }
  const first = Number(from);
  if (to !== '' && Number(to) < first) return undefined;
  if (first >= sizeBytes) throw unsatisfiable(header, sizeBytes);
  return { first, last: to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1) };
}

/**
 * The bytes of x-amz-copy-source-range, which must all be there.
 * @throws S3Error InvalidArgument
 */
export function parseCopyRange(header: string, sizeBytes: number): ByteRange {
  const [, from = '', to = ''] = rangeForm.exec(header.trim()) ?? [];
  const range = { first: Number(from), last: Number(to) };
  if (from === '' || to === '' || range.last < range.first) {
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last.',
      { elements: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header } },
    );
  }
  if (range.last >= sizeBytes) {
    throw new S3Error(
      'InvalidArgument',
      `Range specified is not valid for source object of size: ${sizeBytes}`,
      { elements: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header } },
    );
  }
  return range;
}

/** The Content-Range header of an answer. */
export function contentRange({ first, last }: ByteRange, sizeBytes: number): string {
  return `bytes ${first}-${last}/${sizeBytes}`;
}

function unsatisfiable(header: string | undefined, sizeBytes: number): S3Error {
  return new S3Error('InvalidRange', undefined, {
    elements: { RangeRequested: header ?? '', ActualObjectSize: String(sizeBytes) },
    headers: { 'content-range': `bytes */${sizeBytes}` },
  });
}
