import { randomBytes, X509Certificate } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { readTextIfThere, runProgram, syncFolder, writeFileAtomic } from '@commongrid/base';

/** What all Zero-DBs of a node have in common. Made once. */
export interface ZdbKeys {
  readonly passwordFile: string;
  readonly adminPassword: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** SHA-256 of the certificate, hex with colons: what clients trust. */
  readonly fingerprint: string;
}

const unfinished = 'tls-new-';

/** @param folder of the node; made when missing */
export async function openZdbKeys(folder: string): Promise<ZdbKeys> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    // Of one that was killed while it made a certificate.
    if (name.startsWith(unfinished)) await rm(join(folder, name), { recursive: true });
  }
  const passwordFile = join(folder, 'admin-password');
  const tls = join(folder, 'tls');
  const [certFile, keyFile] = [join(tls, 'cert.pem'), join(tls, 'key.pem')];
  const cert = (await readTextIfThere(certFile)) ?? (await makeCertificate(folder, tls, certFile));
  let adminPassword = await readTextIfThere(passwordFile);
  if (adminPassword === undefined) {
    adminPassword = randomBytes(32).toString('base64url');
    await writeFileAtomic(passwordFile, adminPassword, { mode: 0o600 });
  }
  const { fingerprint256 } = new X509Certificate(cert);
  return { passwordFile, adminPassword, certFile, keyFile, fingerprint: fingerprint256 };
}

/**
 * Nobody signs for the address of a node, which may change: clients compare the certificate itself,
 * whose fingerprint they have from the node. So neither its name nor its end means anything.
 */
async function makeCertificate(folder: string, tls: string, certFile: string): Promise<string> {
  const made = await mkdtemp(join(folder, unfinished));
  try {
    const files = ['-keyout', join(made, 'key.pem'), '-out', join(made, 'cert.pem')];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
    const name = ['-subj', '/CN=zero-db', '-days', '36500'];
    await runProgram('openssl', ['req', '-x509', ...key, ...name, ...files]);
    await chmod(join(made, 'key.pem'), 0o600);
    await syncFolder(made);
    await rename(made, tls);
    await syncFolder(folder);
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  return readFile(certFile, 'utf8');
}
