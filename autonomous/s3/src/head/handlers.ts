import type { Operation } from '../protocol/operations.ts';
import { S3Error } from '../protocol/s3-error.ts';
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
import { refuseWhenFull } from './refuse-when-full.ts';
import { getStoreStatus } from './store-status.ts';
import { uploadHandlers } from './upload-handlers.ts';

const handlers: Readonly<Record<Operation, Handle>> = {
  ...bucketHandlers,
  GetStoreStatus: getStoreStatus,
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
 * How long a request waits for this head to serve, and its answer for the right to leave: members of
 * the log may be slow for a while, and clients that are told so give up after a second.
 */
const patienceMs = 5_000;

/**
 * Does what requests ask for. No answer leaves, be it an error, that another head may have made
 * untrue: that nothing is there must be as true as that something is.
 */
export function handlerOf(head: HeadContext): S3Handler {
  return async (request) => {
    const { catalog } = head.store;
    const wait = { waitMs: patienceMs, signal: request.signal };
    let epoch: number | undefined;
    let answer: S3Response | undefined;
    try {
      epoch = await catalog.untilServing(wait);
      const permit = head.rights.judge(request);
      refuseAfterRebuild(head, request.operation);
      refuseWhenFull(head, request.operation);
      checkExpectedOwner(head, request);
      answer = await handlers[request.operation](head, request, permit);
      await catalog.confirmLease(epoch, wait);
      return answer;
    } catch (error) {
      await giveBack(answer);
      if (epoch === undefined || !(error instanceof S3Error)) throw refusalOf(error);
      await catalog.confirmLease(epoch, wait).catch((lost: unknown) => {
        throw refusalOf(lost);
      });
      throw error;
    }
  };
}

/** A body that nobody will read holds memory. */
async function giveBack(answer: S3Response | undefined): Promise<void> {
  const body = answer?.body;
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) return;
  await body[Symbol.asyncIterator]().return?.();
}
