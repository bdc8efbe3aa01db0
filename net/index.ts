export * from "./host/ports.ts"
