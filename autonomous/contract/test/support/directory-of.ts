import type { GridFold, NodeId, RecordUrl } from '@commongrid/model';
import { readDirectory } from '../../src/index.ts';
import type { Directory, HeardNode } from '../../src/index.ts';

/** The directory as a database in memory gives it. @param at log time, ms since 1970 */
export function directoryOf(
  fold: GridFold,
  nodes: readonly NodeId[],
  heard: (node: NodeId) => HeardNode,
  at: number,
): Promise<Directory> {
  return readDirectory(
    {
      find: async (_ns, { url }) => {
        const objects = [...fold.objects(url as RecordUrl)].map((value) => ({ value }));
        return { objects } as never;
      },
      read: async (path) => {
        const standing = new URL(path, 'http://x').searchParams.get('standing');
        const own = nodes.filter((node) => heard(node).standing === standing);
        return { counts: { alive: own.length }, nodes: own.map((node) => ({ node })) } as never;
      },
    },
    at,
  );
}
