import type { ReplyWriter, Request } from '@commongrid/resp';
import { GridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { BcdbErrorCode } from '../../../errors.ts';

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

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
