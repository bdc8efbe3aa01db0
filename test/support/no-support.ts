import type { Support } from "#kernel/liveness/support.ts"

/** Stores that promise each other nothing, and have forgotten nothing: Raft as the paper has it, without leases. */
export const NO_SUPPORT: Support = {
  incarnation: 1,
  boot: 1,
  forgetfulUntil: 0,
  isAsking: true,
  life: 1,
  givenTo: () => 0,
  givenIn: () => 0,
  hadFrom: () => null,
}
