import type { readDirectory } from '@commongrid/contract';
import type { RecordUrl } from '@commongrid/model';
import type { Sequencer } from './sequencer.ts';

type DirectorySource = Parameters<typeof readDirectory>[0];

const standings = ['alive', 'suspect', 'gone'] as const;

/** The questions of a directory, answered from the log and the presence of a simulated database. */
export function directorySource({ fold, presence }: Sequencer): DirectorySource {
  return {
    find: (_ns, { url }) => {
      const objects = [...fold.objects(url as RecordUrl)].map((value) => ({ value }));
      return Promise.resolve({ objects }) as never;
    },
    read: (path) => {
      const asked = standings.find((one) => path.includes(`standing=${one}`));
      const nodes = [...presence.list()].filter(({ standing }) => standing === asked);
      return Promise.resolve({ counts: presence.counts(), nodes }) as never;
    },
  };
}
