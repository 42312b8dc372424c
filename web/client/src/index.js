// plaza-client: live stores, retried writes and sessions of a Plaza server.

export { createPlaza, Plaza } from "./plaza.js";
export { PlazaError } from "./problems.js";
export { indexedDbStorage, memoryStorage } from "./storage.js";
