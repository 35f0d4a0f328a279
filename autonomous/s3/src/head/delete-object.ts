import { deleteObject as deleteIn } from '../meta/delete-object.ts';
import type { DeletedObject } from '../meta/delete-object.ts';
import { deletedDocument } from '../protocol/object-documents.ts';
import type { Deleted } from '../protocol/object-documents.ts';
import { S3Error } from '../protocol/s3-error.ts';
import type { S3Request } from '../protocol/s3-request.ts';
import { parseDelete } from '../protocol/xml-requests.ts';
import type { ObjectToDelete } from '../protocol/xml-requests.ts';
import { deleteAction } from '../rights/needs.ts';
import type { Permit } from '../rights/rights.ts';
import { bucketOf, write } from './head-context.ts';
import type { Handle, HeadContext } from './head-context.ts';
import { deletionRules } from './write-rules.ts';

/** Longest document of DeleteObjects: 1,000 keys of 1,024 bytes, escaped. */
const documentBytesMax = 4 << 20;
/** Objects that are deleted in one change. */
const deletedAtOnce = 100;

export const deleteObject: Handle = async (head, request, permit) => {
  const { key = '', query } = request;
  const bucket = bucketOf(head, request);
  const deletion = {
    ...{ key, versionId: query.get('versionId') },
    ...{ markerId: head.ids.next(), nowMs: head.clock.nowMs() },
  };
  const rules = deletionRules(head, request, { permit, key });
  const deleted = await write(head, (db) => deleteIn(db, bucket, deletion, rules));
  return { status: 204, headers: deletedHeaders(deleted) };
};

/** Each is deleted, or not, by itself; the answer says which. */
export const deleteObjects: Handle = async (head, request, permit) => {
  const bytes = await request.payload.bytes(documentBytesMax);
  const { isQuiet, objects } = parseDelete(bytes);
  bucketOf(head, request);
  const results: Deleted[] = [];
  for (let at = 0; at < objects.length; at += deletedAtOnce) {
    const some = objects.slice(at, at + deletedAtOnce);
    results.push(...(await deleteSome(head, request, permit, some)));
  }
  return { body: deletedDocument(results, isQuiet) };
};

async function deleteSome(
  head: HeadContext,
  request: S3Request,
  permit: Permit,
  objects: readonly ObjectToDelete[],
): Promise<readonly Deleted[]> {
  const bucket = bucketOf(head, request);
  const nowMs = head.clock.nowMs();
  const asked = objects.map(({ key, versionId, etag }) => ({
    deletion: { key, versionId, markerId: head.ids.next(), nowMs },
    isAllowed: permit.allows(deleteAction(versionId), key),
    rules: deletionRules(head, request, {
      ...{ permit, key },
      conditions: etag === undefined ? {} : { 'if-match': etag },
    }),
  }));
  return write(head, (db) =>
    asked.map(({ deletion, rules, isAllowed }): Deleted => {
      const { key, versionId } = deletion;
      try {
        if (!isAllowed) throw new S3Error('AccessDenied');
        const { isMarker, versionId: markerVersionId } = deleteIn(db, bucket, deletion, rules);
        const marker = isMarker ? markerVersionId : undefined;
        return { key, versionId, markerVersionId: marker, error: undefined };
      } catch (error) {
        // It altered nothing: all that refuses a deletion is looked at ahead of it.
        if (!(error instanceof S3Error)) throw error;
        const { s3Code: code, message } = error;
        return { key, versionId, markerVersionId: undefined, error: { code, message } };
      }
    }),
  );
}

function deletedHeaders({ versionId, isMarker }: DeletedObject): Record<string, string> {
  return {
    ...(versionId === undefined ? {} : { 'x-amz-version-id': versionId }),
    ...(isMarker ? { 'x-amz-delete-marker': 'true' } : {}),
  };
}
