export { ZdbProcess } from '../../src/testing/zdb-process.ts';
