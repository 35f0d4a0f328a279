import { createPrivateKey } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import { isGridError, runProgram } from '@commongrid/base';
import { PublicKey } from '@commongrid/crypto';
import type { SigningKey } from '@commongrid/crypto';

/** What a bot shows at each end of TLS. PEM texts. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** Only TLS 1.3: there, a certificate is shown under encryption, and its key proven by a signature. */
export const tlsVersion = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

/** What Node gives a program to read is a socket, which openssl cannot open by name: a pipe it can. */
const certify = 'cat | openssl req -x509 -key /dev/stdin -subj /CN=3bot -days 36500';

/**
 * A certificate of a key of the phonebook, signed by itself. Nobody reads its name or its end: whoever
 * sees it compares the key with the record of the bot. Made anew at each start; openssl is asked, as
 * for the certificates of nodes.
 * @throws BASE_PROGRAM_FAILED, also where there is no openssl
 */
export async function makeCredentials(signingKey: SigningKey): Promise<Credentials> {
  const key = createPrivateKey({
    key: signingKey.exportSeed(),
    format: 'raw-private',
    asymmetricKeyType: 'ed25519',
  }).export({ type: 'pkcs8', format: 'pem' });
  const cert = await runProgram('sh', ['-c', certify], { input: key });
  return { cert, key };
}

/** The text of the key of a certificate; undefined for none, and for another kind of key. */
export function keyOfCertificate(certificate: X509Certificate | undefined): string | undefined {
  const key = certificate?.publicKey;
  if (key?.asymmetricKeyType !== 'ed25519') return undefined;
  try {
    return PublicKey.fromBytes(key.export({ format: 'raw-public' })).text;
  } catch (error) {
    // A key of small order proves nothing.
    if (isGridError(error, 'CRYPTO_KEY_INVALID')) return undefined;
    throw error;
  }
}
