export { DockerRegistry } from './docker-registry.ts';
