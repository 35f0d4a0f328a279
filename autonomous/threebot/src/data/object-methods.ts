import { Type } from 'typebox';
import { method } from '../actors/actor.ts';
import type { DataStore } from './data-store.ts';
import * as shape from './data-shapes.ts';
import { urlSecondsDefault, urlSecondsMax } from './files.ts';
import { dataPathMax, filesRoot } from './grid-address.ts';

const { closed, judged } = shape;
const file = { path: shape.dataPath };

/** What they may do with files, and with all that has a path. */
export function objectMethods(data: DataStore) {
  const { files } = data;
  return {
    fileUrl: method({
      ...judged,
      summary: 'A URL with which a file can be read or written for a while, by HTTP GET or PUT',
      input: Type.Object(
        {
          ...file,
          method: Type.Optional(shape.fileMethod),
          seconds: Type.Optional(Type.Integer({ minimum: 1, maximum: urlSecondsMax })),
        },
        closed,
      ),
      output: shape.signedFileUrl,
      handler: ({ path, method: verb = 'GET', seconds = urlSecondsDefault }, { caller }) => {
        data.require(caller, verb === 'GET' ? 'read' : 'write', `${filesRoot}/${path}`);
        return { url: files.urlOf(path, verb, seconds), urlSeconds: seconds };
      },
    }),
    removeFile: method({
      ...judged,
      summary: 'Removes a file',
      input: Type.Object(file, closed),
      output: Type.Object({}),
      handler: async ({ path }, { caller, signal }) => {
        data.require(caller, 'write', `${filesRoot}/${path}`);
        await files.remove(path, signal);
        return {};
      },
    }),
    list: method({
      ...judged,
      summary: 'Collections, records of one, or files of a folder, by their paths',
      input: Type.Object(
        { path: Type.Optional(Type.String({ maxLength: dataPathMax })), cursor: shape.cursor },
        closed,
      ),
      output: shape.entryPage,
      handler: ({ path = '', cursor }, { caller, signal }) =>
        data.list(caller, path.replace(/\/$/, ''), cursor, signal),
    }),
    resolve: method({
      ...judged,
      summary: 'What a path of this bot leads to: a record, or a file by a URL',
      input: Type.Object({ path: shape.dataPath }, closed),
      output: shape.found,
      handler: ({ path }, { caller, signal }) => data.resolve(caller, path, signal),
    }),
  };
}
