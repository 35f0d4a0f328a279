import type { Flist } from '@commongrid/flist';
import type { DriverContext } from '../driver.ts';

/** Images of which a node takes releases: `Images`. */
export interface ReleaseImages {
  /** The list of files of an image, held to its digest. @throws NODE_IMAGE_UNAVAILABLE */
  flist(digest: string, context: DriverContext): Promise<Flist>;
  /** Shows an image in an empty folder. */
  mount(
    wanted: {
      readonly id: string;
      readonly digest: string;
      readonly target: string;
      readonly idShift: number;
    },
    context: DriverContext,
  ): Promise<void>;
  unmount(id: string): Promise<void>;
}
