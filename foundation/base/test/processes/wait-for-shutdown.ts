// Prints the first shutdown signal; with `stubborn` it then refuses to end.
import { shutdownSignal } from '../../src/index.ts';

const stubborn = process.argv.includes('stubborn');
const keepAlive = setInterval(() => {}, 1000);
const signal = shutdownSignal();
signal.addEventListener('abort', () => {
  console.log(signal.reason);
  if (!stubborn) clearInterval(keepAlive);
});
console.log('ready');
