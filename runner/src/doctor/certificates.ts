import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { connect } from 'node:tls';

import type { GridHome } from '../home.ts';
import { homeBots, homeBotService } from '../home-bots/home-bot-place.ts';
import { homeNodeService } from '../node/home-node-place.ts';
import type { GridStatus } from '../one-machine-grid.ts';
import { bad, doubtful, fine } from './diagnosis.ts';
import type { Diagnosis } from './diagnosis.ts';

/** For a service to show its certificate, ms. */
const shownMsMax = 10_000;
/** Of one that ends sooner is told, ms. */
const leftMsMin = 30 * 24 * 3_600_000;

/** Whether certificates of the grid are good yet: those that bots show, and that of the node's Zero-DBs. */
export async function examineCertificates(
  home: GridHome,
  { state }: GridStatus,
): Promise<Diagnosis> {
  const bots = homeBots.map(homeBotService).flatMap((service) => {
    const { phase, address } = state?.services[service] ?? {};
    return phase === 'running' && address !== undefined ? [{ service, address }] : [];
  });
  const found = await Promise.all([
    ...bots.map(({ service, address }) => judge(service, () => shownAt(address))),
    ...(existsSync(certificateOf(home)) ? [judge(homeNodeService, () => keptBy(home))] : []),
  ]);
  const wrong = found.find(({ level }) => level !== 'ok');
  if (wrong !== undefined) return wrong;
  return fine(name, found.length === 0 ? 'there are none' : `${found.length}, all good`);
}

const name = 'certificates';

async function judge(service: string, endOf: () => Promise<number>): Promise<Diagnosis> {
  const next = `./grid down ${service}, then ./grid up`;
  try {
    const endsMs = await endOf();
    const says = `that of ${service} is good until ${new Date(endsMs).toISOString()}`;
    if (endsMs < Date.now()) return bad(name, `${says}: it has ended`, next);
    return endsMs - Date.now() < leftMsMin ? doubtful(name, says, next) : fine(name, says);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return bad(name, `${service} has none that is sound: ${why}`, next);
  }
}

/** When the one of the node's Zero-DBs ends, ms since 1970. @throws when it is not that of its key */
async function keptBy(home: GridHome): Promise<number> {
  const file = certificateOf(home);
  const certificate = new X509Certificate(await readFile(file));
  const key = createPrivateKey(await readFile(join(dirname(file), 'key.pem')));
  if (!certificate.checkPrivateKey(key)) throw new Error('its key is another');
  return Date.parse(certificate.validTo);
}

function certificateOf(home: GridHome): string {
  return join(home.node, 'machine', 'zdb', 'tls', 'cert.pem');
}

/** When the certificate ends that is shown there, ms since 1970. */
async function shownAt(address: string): Promise<number> {
  const [host = '', port = ''] = address.split(':');
  // Who it is, clients know by its key: nobody signs for it.
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false });
  socket.setTimeout(shownMsMax, () => socket.destroy(new Error('it does not answer')));
  try {
    await once(socket, 'secureConnect');
    return Date.parse(socket.getPeerCertificate().valid_to);
  } finally {
    socket.on('error', () => {});
    socket.destroy();
  }
}
