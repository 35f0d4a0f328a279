import { lookAt } from './one-machine-grid.ts';

/** Origin of a hub that nobody gave another address. */
export const usualHubUrl = 'http://127.0.0.1:9100';

/** Origin of the hub that the grid of a home runs; undefined while it runs none. */
export async function ownHubUrl(home: string): Promise<string | undefined> {
  const { state } = await lookAt(home);
  const hub = state?.services['hub'];
  return hub === undefined || hub.process === null ? undefined : `http://${hub.address}`;
}
