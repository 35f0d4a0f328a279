import { operations } from '../protocol/operations.ts';
import type { Operation, Rule } from '../protocol/operations.ts';
import type { Answered } from '../protocol/s3-exchange.ts';
import { uriDecode } from '../protocol/uri-encoding.ts';

/** What the tables know of a request besides. */
export interface LoggedPeople {
  /** Ids of users, `-` for nobody. */
  readonly bucketOwner: string | undefined;
  readonly requester: string | undefined;
}

/** Parameters of a URL that let its holder in: their values are left out. */
const secretParameters: ReadonlySet<string> = new Set([
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-security-token',
]);
const parameter = /([?&])([^=&]*)=[^&]*/g;

/**
 * One line of the log, without its end: the fields of "Amazon S3 server access log format", in their
 * order, `-` where there is nothing. Quotes and control characters of what clients sent are escaped.
 */
export function accessLine(answered: Answered, people: LoggedPeople, atMs: number): string {
  const { id, request, operation, status, s3Code, headers, remoteAddress } = answered;
  const { method, target, sentBytes, objectBytes, tookMs, turnAroundMs } = answered;
  const uri = `${method} ${target.replace(parameter, withoutSecret)} HTTP/1.1`;
  const isSigned = request?.accessKey !== undefined;
  const inQuery = request?.query.has('X-Amz-Signature') === true;
  return [
    people.bucketOwner ?? '-',
    request?.bucket ?? '-',
    `[${timeOf(atMs)}]`,
    remoteAddress || '-',
    people.requester ?? '-',
    id,
    operationName(operation, method),
    keyField(request?.key),
    quoted(uri),
    String(status),
    s3Code ?? '-',
    sentBytes === 0 ? '-' : String(sentBytes),
    numberField(objectBytes),
    numberField(tookMs),
    numberField(turnAroundMs),
    quoted(textOf(headers['referer'])),
    quoted(textOf(headers['user-agent'])),
    escapeField(request?.query.get('versionId') ?? '') || '-',
    '-',
    isSigned ? 'SigV4' : '-',
    '-',
    isSigned ? (inQuery ? 'QueryString' : 'AuthHeader') : '-',
    escapeField(textOf(headers['host']) ?? '') || '-',
    ...['-', '-', '-'],
  ].join(' ');
}

/** Names may be escaped in any way. */
function withoutSecret(all: string, mark: string, name: string): string {
  const isSecret = secretParameters.has((uriDecode(name) ?? name).toLowerCase());
  return isSecret ? `${mark}${name}=-` : all;
}

/** `REST.GET.OBJECT`, as AWS names operations in its logs. */
function operationName(operation: Operation | undefined, method: string): string {
  if (operation === undefined) return `REST.${escapeField(method)}.UNKNOWN`;
  if (operation === 'CopyObject') return 'REST.COPY.OBJECT';
  if (operation === 'UploadPartCopy') return 'REST.COPY.PART';
  if (operation === 'DeleteObjects') return 'REST.POST.MULTI_OBJECT_DELETE';
  const { resource, sub }: Rule = operations[operation];
  if (sub === 'list-type') return `REST.${method}.BUCKET`;
  if (sub === 'uploadId') return `REST.${method}.${operation.endsWith('Part') ? 'PART' : 'UPLOAD'}`;
  const kind = (sub ?? resource).toUpperCase().replaceAll('-', '_');
  return `REST.${method}.${kind}`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `06/Feb/2026:00:00:38 +0000` */
function timeOf(ms: number): string {
  const date = new Date(ms);
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${two(date.getUTCDate())}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}`;
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  return `${day}:${time} +0000`;
}

function numberField(value: number | undefined): string {
  return value === undefined ? '-' : String(Math.round(value));
}

/** As in a URL: then it is one field. */
function keyField(key = ''): string {
  return key === '' ? '-' : encodeURIComponent(key.toWellFormed());
}

function quoted(text: string | undefined): string {
  return text === undefined ? '-' : `"${escapeText(text)}"`;
}

/** Keeps a field one field: readers of logs part them at spaces, and take brackets for the time. */
function escapeField(text: string): string {
  return escapeText(text).replaceAll(' ', '%20').replaceAll('[', '%5B').replaceAll(']', '%5D');
}

/** All but printable ASCII, and quotes: each as its bytes. */
function escapeText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]|["\\]/gu, (letter) => {
    const bytes = Buffer.from(letter, 'utf8').toString('hex').toUpperCase();
    return bytes.replaceAll(/../g, '%$&');
  });
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
