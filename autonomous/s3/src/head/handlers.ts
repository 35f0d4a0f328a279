import type { Operation } from '../protocol/operations.ts';
import type { S3Handler } from '../protocol/s3-exchange.ts';
import type { S3Response } from '../protocol/s3-request.ts';
import { refuseAfterRebuild } from './after-rebuild.ts';
import { bucketConfiguration } from './bucket-configuration.ts';
import { bucketHandlers } from './bucket-handlers.ts';
import { copyObject } from './copy-object.ts';
import { corsHandlers } from './cors-handlers.ts';
import { deleteObject, deleteObjects } from './delete-object.ts';
import { checkExpectedOwner } from './expected-owner.ts';
import { getObject, headObject } from './get-object.ts';
import type { Handle, HeadContext } from './head-context.ts';
import { listHandlers } from './list-handlers.ts';
import { objectConfiguration } from './object-configuration.ts';
import { putObject } from './put-object.ts';
import { refusalOf } from './refusal.ts';
import { uploadHandlers } from './upload-handlers.ts';

const handlers: Readonly<Record<Operation, Handle>> = {
  ...bucketHandlers,
  ...bucketConfiguration,
  ...listHandlers,
  ...corsHandlers,
  PutObject: putObject,
  GetObject: getObject,
  HeadObject: headObject,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  CopyObject: copyObject,
  ...uploadHandlers,
  ...objectConfiguration,
};

/**
 * Does what requests ask for. No answer leaves, be it an error, that another head may have made
 * untrue: that nothing is there must be as true as that something is.
 */
export function handlerOf(head: HeadContext): S3Handler {
  return async (request) => {
    let answer: S3Response | undefined;
    try {
      const permit = head.rights.judge(request);
      refuseAfterRebuild(head, request.operation);
      checkExpectedOwner(head, request);
      answer = await handlers[request.operation](head, request, permit);
      head.store.catalog.requireLease();
      return answer;
    } catch (error) {
      await giveBack(answer);
      throw refusalOf(leaseFailure(head) ?? error);
    }
  };
}

/** undefined while this head may answer. */
function leaseFailure({ store }: HeadContext): unknown {
  try {
    store.catalog.requireLease();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A body that nobody will read holds memory. */
async function giveBack(answer: S3Response | undefined): Promise<void> {
  const body = answer?.body;
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) return;
  await body[Symbol.asyncIterator]().return?.();
}
