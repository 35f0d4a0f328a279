export const leaseUrl = 'grid.lease.1';
