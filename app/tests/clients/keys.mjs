// The made-up private key of the client test-keys; clients.toml has the public half.
export const TEST_KEY = {
  kty: 'EC', crv: 'P-256', kid: 'test', alg: 'ES256',
  x: 'bX7Bfwr0tfqqet6xP-FmtJIWsD31cxFLxqS_PIgSUu8', y: 'AXxpU9E9beQ42b38xptwLpYIkYh__8G9SDamUH1-cMM',
  d: 'LRRDuA1zhp1dYFG98BYWM5xQ2LA2KSMWm3FepVHW1CE',
};
