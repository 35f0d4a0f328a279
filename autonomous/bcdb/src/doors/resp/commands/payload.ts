import type { ReplyWriter, Request } from '@commongrid/resp';
import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../../../errors.ts';
import { isSystem } from '../../../state/administrative.ts';
import type { Session } from '../session.ts';

/** A payload as a reply: JSON text, the bytes of a sealed box, or nil when there is none. */
export function writePayload(reply: ReplyWriter, payload: string | Uint8Array | undefined): void {
  if (payload === undefined) reply.nil();
  else if (typeof payload === 'string') reply.bulkText(payload);
  else reply.bulk(payload);
}

/** The JSON in argument `i`, in any spelling. @throws BCDB_PAYLOAD_INVALID */
export function jsonOf(request: Request, i: number): JsonValue {
  try {
    return JSON.parse(utf8.decode(request.view(i))) as JsonValue;
  } catch (cause) {
    throw new GridError<BcdbErrorCode>('BCDB_PAYLOAD_INVALID', 'the value is no JSON in UTF-8', {
      cause,
    });
  }
}

/**
 * What becomes of an object: JSON, or in a private namespace a sealed payload, which only a reader
 * can make: the server has no key.
 * @throws BCDB_PAYLOAD_INVALID
 */
export function valueOf(
  { context }: Session,
  { ns, url }: { readonly ns: string; readonly url: string },
  request: Request,
  i: number,
): JsonValue | Uint8Array {
  const isSealed = context.bcdb.isPrivate(ns) && !isSystem(url);
  return isSealed ? new Uint8Array(request.view(i)) : jsonOf(request, i);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
