export * from "./host/ports.ts"
export * from "./cluster/node-config.ts"
